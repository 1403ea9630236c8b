import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { deploymentConfig } from '../../config/deployment.ts'
import { errnoOf } from '../../core/failure.ts'
import { readState, writeWhole } from './files.ts'
import type { ClusterPaths } from './paths.ts'

const stateVersion = 1

const clusterState = z.strictObject({
  version: z.literal(stateVersion),
  name: z.string(),
  /** Kept from the first choice until `down`. */
  ports: z.record(z.string(), z.number().int().min(1).max(65_535)),
  /** The last deployment that was asked for; null before the first. */
  deployment: deploymentConfig.nullable(),
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

/** Ports that the other clusters of this user have chosen; a damaged state claims none. */
export async function portsOfOthers(paths: ClusterPaths): Promise<Set<number>> {
  const ports = new Set<number>()
  for (const name of await namesIn(paths.stateRoot)) {
    if (name === paths.name) continue
    const text = await readState(join(paths.stateRoot, name, 'cluster.json'), z.unknown()).catch(() => undefined)
    const memory = clusterState.safeParse(text)
    if (memory.success) for (const port of Object.values(memory.data.ports)) ports.add(port)
  }
  return ports
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}
