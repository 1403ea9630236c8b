import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { deploymentConfig } from '../../config/deployment.ts'
import { ifThere, writeWhole } from '../../host/files.ts'
import { readState } from '../shared/state-file.ts'
import type { ClusterPaths } from './paths.ts'

const stateVersion = 1

const joined = z.strictObject({
  /** `grpcs://host:port`, both. */
  scheduler: z.string(),
  cas: z.string(),
  /** The worker's name there. */
  worker: z.string(),
})
/** The cluster that this machine works for. */
export type Joined = z.output<typeof joined>

const clusterState = z.strictObject({
  version: z.literal(stateVersion),
  name: z.string(),
  /** Kept from the first choice until `down`. */
  ports: z.record(z.string(), z.number().int().min(1).max(65_535)),
  /** The last requested deployment; null before the first. */
  deployment: deploymentConfig.nullable(),
  /** Instead of a deployment: the other machine's cluster for which this one has a worker. */
  joined: joined.optional(),
})

/** What the driver remembers of a cluster between commands. */
export type ClusterMemory = z.output<typeof clusterState>

/**
 * The memory of a cluster; undefined when there is no cluster.
 * @throws Failure 'corrupt'
 */
export function readMemory(paths: ClusterPaths): Promise<ClusterMemory | undefined> {
  return readState(paths.cluster, clusterState)
}

export function writeMemory(paths: ClusterPaths, memory: Omit<ClusterMemory, 'version' | 'name'>): Promise<void> {
  const value: ClusterMemory = { version: stateVersion, name: paths.name, ...memory }
  return writeWhole(paths.cluster, `${JSON.stringify(value, null, 2)}\n`)
}

/** What other clusters of the same user may know about a cluster. */
export type OtherCluster = Pick<ClusterMemory, 'name' | 'ports' | 'joined'>

/** This user's other clusters that are up; one with a damaged state is skipped. */
export async function otherClusters(paths: ClusterPaths): Promise<OtherCluster[]> {
  const found: OtherCluster[] = []
  for (const name of await namesIn(paths.stateRoot)) {
    if (name === paths.name) continue
    const text = await readState(join(paths.stateRoot, name, 'cluster.json'), z.unknown()).catch(() => undefined)
    const memory = clusterState.safeParse(text)
    if (memory.success) found.push({ name, ports: memory.data.ports, joined: memory.data.joined })
  }
  return found
}

/** The ports that they have chosen. */
export async function portsOfOthers(paths: ClusterPaths): Promise<Set<number>> {
  return new Set((await otherClusters(paths)).flatMap(({ ports }) => Object.values(ports)))
}

async function namesIn(folder: string): Promise<string[]> {
  const entries = (await ifThere(readdir(folder, { withFileTypes: true }))) ?? []
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}
