import { join } from 'node:path'
import { z } from 'zod'
import { loadConfig } from '../../config/load.ts'
import { Failure } from '../../core/failure.ts'
import { isThere } from '../process/files.ts'
import type { KindSettings } from './context.ts'

/** Controllers that fit each other: Envoy Gateway 1.9 brings the Gateway API 1.6. */
const controllers = [
  'https://raw.githubusercontent.com/metallb/metallb/v0.15.3/config/manifests/metallb-native.yaml',
  'https://github.com/envoyproxy/gateway/releases/download/v1.9.1/install.yaml',
] as const

const name = z.string().min(1)

/** `$XDG_CONFIG_HOME/native/kind.yaml`: what a machine without the internet, or with a mirror, says once. */
const settingsFile = z.strictObject({
  gateway: z.enum(['envoy', 'cilium']).default('envoy'),
  nodes: z.number().int().min(1).max(32).default(1),
  /** The nodes' image; kind's own for its release where it is absent. */
  node_image: name.optional(),
  /** Files or addresses with the objects of LoadBalancer and Gateway controller. */
  controllers: z
    .array(name)
    .max(32)
    .default([...controllers]),
  /** Archives as `docker save` makes them, for nodes that cannot pull. */
  archives: z
    .array(z.strictObject({ file: name, names: z.array(name).min(1).max(64) }))
    .max(64)
    .default([]),
  /** What runs the servers; by digest, or from an archive. */
  images: z.strictObject({ server: name, worker: name }).optional(),
})

/**
 * The settings of kind clusters, from the user's file or the defaults.
 * @throws Failure 'invalid' as loadConfig does, 'unimplemented' for cilium
 */
export async function kindSettings(configRoot: string): Promise<KindSettings> {
  const file = join(configRoot, 'native/kind.yaml')
  const found = (await isThere(file)) ? await loadConfig(file, settingsFile) : settingsFile.parse({})
  if (found.gateway === 'cilium')
    throw new Failure('unimplemented', "cilium's chart is not installed by `native up` yet", {
      where: file,
      next: ['Use gateway: envoy, or install cilium by hand and apply what `native deploy --render` writes.'],
    })
  return {
    profile: found.gateway,
    nodes: found.nodes,
    ...(found.node_image !== undefined && { nodeImage: found.node_image }),
    controllers: found.controllers,
    archives: found.archives,
    ...(found.images && { images: found.images }),
  }
}
