import { z } from 'zod'
import { deploymentConfig } from '../../config/deployment.ts'
import { readState, writeWhole } from '../process/files.ts'
import type { KindPaths } from './paths.ts'

const clusterState = z.strictObject({
  version: z.literal(1),
  name: z.string(),
  profile: z.enum(['cilium', 'envoy']),
  /** The control plane's container; null while it is being made. */
  container: z.string().nullable(),
  /** The docker network's id, when it was made here. */
  network: z.string().nullable(),
  pool: z.strictObject({ cidr: z.string(), cache: z.string(), scheduler: z.string() }).nullable(),
  /** A digest over what the controllers were made from, once they were ready. */
  controllers: z.string().nullable(),
  /** There was no kubeconfig before. */
  madeKubeconfig: z.boolean(),
  deployment: deploymentConfig.nullable(),
  /** What was deployed with it. */
  images: z.strictObject({ server: z.string(), worker: z.string() }).nullable(),
})

/** What the driver remembers; it is written before anything is made, so that what is ours is known. */
export type KindMemory = z.output<typeof clusterState>

/** @throws Failure 'corrupt' */
export function readKindMemory(paths: KindPaths): Promise<KindMemory | undefined> {
  return readState(paths.cluster, clusterState)
}

export function writeKindMemory(paths: KindPaths, memory: Omit<KindMemory, 'version' | 'name'>): Promise<void> {
  const value: KindMemory = { ...memory, version: 1, name: paths.name }
  return writeWhole(paths.cluster, `${JSON.stringify(value, null, 2)}\n`)
}
