import { z } from 'zod'
import { deploymentConfig } from '../../config/deployment.ts'
import { Failure } from '../../core/failure.ts'
import { writeWhole } from '../../host/files.ts'
import { readState } from '../shared/state-file.ts'
import type { KindPaths } from './paths.ts'

const port = z.number().int().min(1).max(65_535)

const clusterState = z.strictObject({
  version: z.literal(1),
  name: z.string(),
  /** What `up` was given, or took from the settings: later runs keep it. */
  profile: z.enum(['cilium', 'envoy']),
  nodes: z.number().int().positive(),
  /** Null: kind's own of its release. */
  nodeImage: z.string().nullable(),
  /** Absolute files, and their contents: a missing file is not a fault while nodes have its images. */
  archives: z.array(z.strictObject({ file: z.string(), names: z.array(z.string()) })),
  /** `HOST=URL`. */
  mirrors: z.array(z.string()),
  /** What our images were built on instead of their definitions' bases. */
  bases: z.strictObject({ server: z.string().optional(), worker: z.string().optional() }),
  /** Whether the Gateways are to be published on ports of 127.0.0.1; null until that is known. */
  publish: z.boolean().nullable(),
  /** Those ports, once they are chosen. */
  published: z.strictObject({ cache: port, scheduler: port }).nullable(),
  /** The control plane's container; null while it is being made. */
  container: z.string().nullable(),
  /** The docker network's id, once it was made here. */
  network: z.string().nullable(),
  pool: z.strictObject({ cidr: z.string(), cache: z.string(), scheduler: z.string() }).nullable(),
  /** A digest of what the controllers were made from, once they were ready. */
  controllers: z.string().nullable(),
  /** There was no kubeconfig before. */
  madeKubeconfig: z.boolean(),
  deployment: deploymentConfig.nullable(),
  /** What was deployed with it. */
  images: z.strictObject({ server: z.string(), worker: z.string() }).nullable(),
})

/** What the driver remembers; written before anything is made, so that it is known what is ours. */
export type KindMemory = z.output<typeof clusterState>

/** @throws Failure 'corrupt' */
export function readKindMemory(paths: KindPaths): Promise<KindMemory | undefined> {
  return readState(paths.cluster, clusterState)
}

/** The same for removing everything: also undefined when it is damaged. */
export async function readKindMemoryIfWhole(paths: KindPaths): Promise<KindMemory | undefined> {
  return readKindMemory(paths).catch((error: unknown) => {
    if (error instanceof Failure && error.kind === 'corrupt') return undefined
    throw error
  })
}

export function writeKindMemory(paths: KindPaths, memory: Omit<KindMemory, 'version' | 'name'>): Promise<void> {
  const value: KindMemory = { ...memory, version: 1, name: paths.name }
  return writeWhole(paths.cluster, `${JSON.stringify(value, null, 2)}\n`)
}

/**
 * Changes what is remembered.
 * @throws Failure 'precondition' when nothing is remembered: a step has been left out
 */
export async function remember(paths: KindPaths, part: Partial<KindMemory>): Promise<KindMemory> {
  const memory = await readKindMemory(paths)
  if (!memory) throw new Failure('precondition', `cluster "${paths.name}" has no state`, { where: paths.cluster })
  const now = { ...memory, ...part }
  await writeKindMemory(paths, now)
  return now
}
