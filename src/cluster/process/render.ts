import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Deployment, hasConsole, merged, type Settings } from '../../config/deployment.ts'
import { ownText } from '../../config/own-text.ts'
import type { Role } from '../../config/servers.ts'
import type { ServerSpec } from '../../config/supervisor.ts'
import { hostPortText } from '../../core/address.ts'
import { parseSpan } from '../../core/units.ts'
import { defaultProperties, type Machine, workerProperty } from '../shared/machine.ts'
import { loopback, type Ports } from '../shared/ports.ts'
import { doorOf, targetAt } from './door.ts'
import type { ClusterPaths } from './paths.ts'
import { imageSettings } from './worker-image.ts'

/** A server that should run, and the text of its configuration file. */
export interface Rendered {
  readonly spec: ServerSpec
  readonly file: string
  readonly text: string
}

const defaultCacheBytes = 10e9
const defaultDrain = '30s'
/** In addition to a server's own drain: it should have ended by itself. */
const drainMarginMs = 5_000

/** The ports' uses in a deployment with this many workers. */
export function portUses(workers: number, console: boolean): string[] {
  const names = Array.from({ length: workers }, (_, at) => `${workerName(at)}-metrics`)
  const more = console ? ['console', 'console-metrics'] : []
  return ['cas', 'scheduler', 'cas-metrics', 'scheduler-metrics', ...more, ...names]
}

/** The same for a worker of another machine's cluster. */
export const joinedPortUses = ['worker-1-metrics'] as const

/** How many workers a deployment has; one when it does not say. */
export function workerCount(deployment: Deployment): number {
  return deployment.workers ?? 1
}

export interface RenderOptions {
  readonly deployment: Deployment
  readonly ports: Ports
  readonly paths: ClusterPaths
  readonly machine: Machine
  /** A new release restarts the servers. */
  readonly release: string
  /** Admit only this user, and root. */
  readonly private: boolean
  /** The content of paths.secret; a new one restarts the servers, too. */
  readonly secret: string
}

/** The servers of a deployment, in the order in which they start: cas, scheduler, workers, console. */
export function renderServers(options: RenderOptions): Rendered[] {
  const { deployment, ports, paths } = options
  const door = doorOf(deployment, paths)
  const cas = targetAt(door, ports['cas']).url
  const scheduler = targetAt(door, ports['scheduler']).url
  const serve = { ...(door.serverTls && { tls: door.serverTls }) }
  const call = { ...(door.clientTls && { client_tls: door.clientTls }) }
  const telling = hasConsole(deployment) ? { console: `grpc://${loopback}:${ports['console']}` } : {}
  const workers = Array.from({ length: workerCount(deployment) }, (_, at) => {
    const name = workerName(at)
    const base = {
      metrics: listen(ports, `${name}-metrics`),
      scheduler,
      cas,
      ...call,
      name,
      slots: deployment.slots ?? options.machine.cpus,
      properties: { ...defaultProperties(options.machine), ...deployment.properties, [workerProperty]: name },
      directory: join(paths.data, name),
      ...(deployment.sandbox !== undefined && { sandbox: deployment.sandbox }),
      ...imageSettings(deployment),
    }
    return rendered(options, 'worker', name, base)
  })
  return [
    rendered(options, 'cas', 'cas', {
      ...listen(ports, 'cas', door.listen),
      ...serve,
      metrics: listen(ports, 'cas-metrics'),
      store: { kind: 'disk', path: join(paths.data, 'cas'), size: deployment.cache_size ?? defaultCacheBytes },
      ...telling,
    }),
    rendered(options, 'scheduler', 'scheduler', {
      ...listen(ports, 'scheduler', door.listen),
      ...serve,
      metrics: listen(ports, 'scheduler-metrics'),
      cas,
      ...telling,
      ...call,
    }),
    ...workers,
    ...(hasConsole(deployment) ? [consoleOf(options, { cas, scheduler }, call)] : []),
  ]
}

/**
 * The console stays on the loopback without TLS; the cache that it reads and the scheduler that it queries may use TLS.
 */
function consoleOf(options: RenderOptions, servers: { cas: string; scheduler: string }, call: Settings): Rendered {
  const { ports, paths } = options
  return rendered(options, 'console', 'console', {
    ...listen(ports, 'console'),
    metrics: listen(ports, 'console-metrics'),
    path: join(paths.data, 'console'),
    ...servers,
    cas_metrics: `${loopback}:${ports['cas-metrics']}`,
    ...call,
  })
}

function rendered(options: RenderOptions, role: Role, name: string, base: Settings): Rendered {
  const access = role !== 'worker' ? accessOf(options) : undefined
  const own = { secret: options.paths.secret, private: options.private, ...(access && { access }) }
  const asked = options.deployment[role]
  const settings = merged({ ...base, ...own }, typeof asked === 'object' ? asked : {})
  const text = ownText(settings)
  const file = join(options.paths.configs, `${name}.yaml`)
  const metrics = options.ports[`${name}-metrics`]
  return {
    file,
    text,
    spec: {
      name,
      role,
      args: ['serve', role, '--config', file],
      fingerprint: createHash('sha256').update([options.release, text, options.secret].join('\n')).digest('hex'),
      address: role === 'worker' ? null : String(base['listen']),
      metrics: metrics === undefined ? null : `${loopback}:${metrics}`,
      drainMs: parseSpan(String(settings['drain'] ?? defaultDrain)) + drainMarginMs,
    },
  }
}

/** The access settings of cache and scheduler; undefined when everybody is admitted. */
function accessOf({ deployment: { access = 'none' }, paths }: RenderOptions): Settings | undefined {
  if (access === 'none') return undefined
  return { anonymous: 'none', ...(access === 'team' ? {} : access), tokens: paths.tokens }
}

function workerName(at: number): string {
  return `worker-${at + 1}`
}

function listen(ports: Ports, use: string, host = loopback): { listen: string } {
  return { listen: hostPortText({ host, port: ports[use] ?? 0 }) }
}
