import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { loadConfig } from '../../config/load.ts'
import { messageOf } from '../../core/failure.ts'
import { isThere } from '../../host/files.ts'
import type { GatewayProfile } from '../options.ts'
import type { KindSettings } from './context.ts'
import { parseMirror } from './nodes/mirrors.ts'

/** Controllers that fit each other: Envoy Gateway 1.9 brings the Gateway API 1.6; cilium's chart brings none. */
const usualControllers: Readonly<Record<GatewayProfile, readonly string[]>> = {
  cilium: ['https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.4.1/standard-install.yaml'],
  envoy: [
    'https://raw.githubusercontent.com/metallb/metallb/v0.15.3/config/manifests/metallb-native.yaml',
    'https://github.com/envoyproxy/gateway/releases/download/v1.9.1/install.yaml',
  ],
}
const usualRegistry = 'docker.io/library/registry:3'

const name = z.string().min(1).max(4096)
const objects = z.array(name).max(32)
const names = z.array(name).min(1).max(64)

/** `$XDG_CONFIG_HOME/native/kind.yaml`: what a machine without the internet, or with a mirror, says once. */
const settingsFile = z.strictObject({
  gateway: z.enum(['cilium', 'envoy']).default('cilium'),
  nodes: z.number().int().min(1).max(32).default(1),
  /** The nodes' image; kind's own for its release where it is absent. */
  node_image: name.optional(),
  registry_image: name.default(usualRegistry),
  /** Files or addresses with the objects of the Gateway API, LoadBalancer and Gateway controller. */
  controllers: z.strictObject({ cilium: objects.optional(), envoy: objects.optional() }).default({}),
  /** cilium's chart, as helm takes it. */
  chart: name.optional(),
  /** Archives as `docker save` makes them, for nodes and a docker daemon that cannot pull. */
  archives: z
    .array(z.union([name, z.strictObject({ file: name, names: names.optional() })]))
    .max(64)
    .default([]),
  mirrors: z.array(name.superRefine(mirror)).max(64).default([]),
  /** What runs the servers; by digest, or from an archive. */
  images: z.strictObject({ server: name, worker: name }).optional(),
  bases: z.strictObject({ server: name.optional(), worker: name.optional() }).default({}),
  policies: z.array(name).max(64).default([]),
  unverified: z.array(name).max(256).default([]),
})

/**
 * The settings of kind clusters, from the user's file or the defaults. Files in it are relative to it.
 * @throws Failure 'invalid' as loadConfig does
 */
export async function kindSettings(configRoot: string): Promise<KindSettings> {
  const file = join(configRoot, 'kind.yaml')
  const found = (await isThere(file)) ? await loadConfig(file, settingsFile) : settingsFile.parse({})
  const near = (path: string) => resolve(dirname(file), path)
  const place = (text: string) => (isAddress(text) ? text : near(text))
  return {
    profile: found.gateway,
    nodes: found.nodes,
    ...(found.node_image !== undefined && { nodeImage: found.node_image }),
    registryImage: found.registry_image,
    controllers: {
      ...(found.controllers.cilium && { cilium: found.controllers.cilium.map(place) }),
      ...(found.controllers.envoy && { envoy: found.controllers.envoy.map(place) }),
    },
    ...(found.chart !== undefined && { chart: place(found.chart) }),
    archives: found.archives.map((each) =>
      typeof each === 'string' ? { file: near(each) } : { ...each, file: near(each.file) },
    ),
    mirrors: found.mirrors,
    ...(found.images && { images: found.images }),
    bases: found.bases,
    policies: found.policies.map(near),
    unverified: found.unverified,
  }
}

/** The objects of the controllers that bring a profile its addresses and Gateways. */
export function controllersOf(settings: KindSettings, profile: GatewayProfile): readonly string[] {
  return settings.controllers[profile] ?? usualControllers[profile]
}

function isAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//.test(text)
}

function mirror(text: string, context: z.RefinementCtx): void {
  try {
    parseMirror(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) })
  }
}
