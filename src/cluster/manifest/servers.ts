import { createHash } from 'node:crypto'
import { stringify } from 'yaml'
import { casConfig } from '../../config/cas.ts'
import { consoleConfig } from '../../config/console.ts'
import { hasConsole, merged, type Settings } from '../../config/deployment.ts'
import { schedulerConfig } from '../../config/scheduler.ts'
import type { Role } from '../../config/servers.ts'
import { workerConfig } from '../../config/worker.ts'
import { defaultProperties } from '../shared/machine.ts'
import { clientSettingsOf, tlsEndOf } from './client-secrets.ts'
import type { ManifestRequest } from './request.ts'
import { secretFile } from './secret.ts'

/** Ports inside the cluster; a pod has its own address, so all servers of a kind may use the same. */
export const ports = { cas: 50_051, scheduler: 50_052, console: 50_053, worker: 50_061, metrics: 9_090 } as const

/** The volume for what a server stores. */
export const dataFolder = '/var/lib/native'

const defaultCacheBytes = 10e9
/** In addition to a server's own drain: it should have ended by itself. */
const drainMarginSeconds = 5

/** A server of the deployment: its configuration file and what is derived from it. */
export interface ServerConfig {
  readonly role: Role
  readonly text: string
  /** Changes when the server has to be restarted: with its settings, its image, the release, the Secret. */
  readonly fingerprint: string
  /** Seconds between SIGTERM and SIGKILL. */
  readonly graceSeconds: number
}

/** The configuration of each server; the console's only if there is one. */
export type ServerConfigs = Readonly<Record<Exclude<Role, 'console'>, ServerConfig>> & {
  readonly console?: ServerConfig
}

/**
 * The configuration of each server in a cluster: that of the process driver, with the addresses and folders of pods. A
 * worker takes its name from its pod.
 * @throws ZodError when a file's settings are valid individually but not together
 */
export function serverConfigsOf(request: ManifestRequest): ServerConfigs {
  const { deployment } = request
  const scheme = tlsEndOf(deployment) === 'servers' ? 'grpcs' : 'grpc'
  const cas = `${scheme}://cas:${ports.cas}`
  const scheduler = `${scheme}://scheduler:${ports.scheduler}`
  const telling = hasConsole(deployment) ? { console: `grpc://console:${ports.console}` } : {}
  return {
    cas: configOf(request, 'cas', {
      store: { kind: 'disk', path: `${dataFolder}/cas`, size: cacheBytes(request) },
      ...telling,
    }),
    scheduler: configOf(request, 'scheduler', { cas, ...telling }),
    worker: configOf(request, 'worker', {
      scheduler,
      cas,
      slots: slotsOf(request),
      properties: { ...defaultProperties(request.machine), ...toolchain(request), ...deployment.properties },
      directory: `${dataFolder}/worker`,
      // An unprivileged pod cannot create namespaces; the pod itself is the sandbox.
      sandbox: 'off',
    }),
    ...(hasConsole(deployment) && {
      console: configOf(request, 'console', {
        path: `${dataFolder}/console`,
        cas,
        scheduler,
        cas_metrics: `cas:${ports.metrics}`,
      }),
    }),
  }
}

/** How many actions each worker runs at once; one by default, since pods share the nodes. */
export function slotsOf({ deployment }: ManifestRequest): number {
  return deployment.slots ?? 1
}

/** The maximum size of the cache, in bytes. */
export function cacheBytes({ deployment }: ManifestRequest): number {
  return deployment.cache_size ?? defaultCacheBytes
}

/**
 * The worker's image as a property, if its digest is known: an action that requires another toolchain is refused before
 * it fails inside this one. The format is Bazel's (rbe_configs).
 */
function toolchain({ images }: ManifestRequest): Record<string, string> {
  return images.worker.includes('@sha256:') ? { 'container-image': `docker://${images.worker}` } : {}
}

function configOf(request: ManifestRequest, role: Role, base: Settings): ServerConfig {
  const addresses = { listen: `0.0.0.0:${ports[role]}`, metrics: { listen: `0.0.0.0:${ports.metrics}` } }
  const own = { ...addresses, ...base, secret: secretFile, ...clientSettingsOf(role, request.deployment) }
  const settings = merged(own, settingsOf(request, role))
  const text = stringify(settings)
  const image = role === 'worker' ? request.images.worker : request.images.server
  const parts = [request.release, image, text, request.secretPrint ?? '']
  const { drain } = schemas[role].parse(settings)
  return {
    role,
    text,
    fingerprint: createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16),
    graceSeconds: Math.ceil(drain / 1000) + drainMarginSeconds,
  }
}

/** The deployment's settings for a server; a console may be requested without settings. */
function settingsOf({ deployment }: ManifestRequest, role: Role): Settings {
  const asked = deployment[role]
  return typeof asked === 'object' ? asked : {}
}

const schemas = { cas: casConfig, scheduler: schedulerConfig, worker: workerConfig, console: consoleConfig } as const
