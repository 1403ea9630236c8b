import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { type Deployment, merged, type Settings } from '../../config/deployment.ts'
import type { Role } from '../../config/servers.ts'
import type { ServerSpec } from '../../config/supervisor.ts'
import { parseSpan } from '../../core/units.ts'
import type { ClusterPaths } from './paths.ts'
import { loopback, type Ports } from './ports.ts'

/** What this machine is, as Bazel's and other clients' platforms name it. */
export interface Machine {
  readonly platform: string
  readonly arch: string
  readonly cpus: number
}

/** A server that should run, and the text of its configuration file. */
export interface Rendered {
  readonly spec: ServerSpec
  readonly file: string
  readonly text: string
}

/** Each worker offers its name under this property, so that an action can be sent to one of them. */
export const workerProperty = 'native:worker'

const defaultCacheBytes = 10e9
const defaultDrain = '30s'
/** Above a server's own drain: it should have ended by itself. */
const drainMarginMs = 5_000

/** The uses of ports that a deployment with so many workers has. */
export function portUses(workers: number): string[] {
  const names = Array.from({ length: workers }, (_, at) => `${workerName(at)}-metrics`)
  return ['cas', 'scheduler', 'cas-metrics', 'scheduler-metrics', ...names]
}

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
}

/** The servers of a deployment, in the order in which they start: cas, scheduler, workers. */
export function renderServers(options: RenderOptions): Rendered[] {
  const { deployment, ports, paths } = options
  const cas = `grpc://${loopback}:${ports['cas']}`
  const scheduler = `grpc://${loopback}:${ports['scheduler']}`
  const workers = Array.from({ length: workerCount(deployment) }, (_, at) => {
    const name = workerName(at)
    const base = {
      metrics: listen(ports, `${name}-metrics`),
      scheduler,
      cas,
      name,
      slots: deployment.slots ?? options.machine.cpus,
      properties: { ...defaultProperties(options.machine), ...deployment.properties, [workerProperty]: name },
      directory: join(paths.data, name),
    }
    return rendered(options, 'worker', name, base)
  })
  return [
    rendered(options, 'cas', 'cas', {
      ...listen(ports, 'cas'),
      metrics: listen(ports, 'cas-metrics'),
      store: { kind: 'disk', path: join(paths.data, 'cas'), size: deployment.cache_size ?? defaultCacheBytes },
    }),
    rendered(options, 'scheduler', 'scheduler', {
      ...listen(ports, 'scheduler'),
      metrics: listen(ports, 'scheduler-metrics'),
      cas,
    }),
    ...workers,
  ]
}

/** What a worker on this machine offers. A client that asks for nothing matches every worker. */
export function defaultProperties({ platform, arch, cpus }: Machine): Record<string, string> {
  const systems: Readonly<Record<string, string>> = { darwin: 'macos' }
  const isas: Readonly<Record<string, string>> = { x64: 'x86-64', arm64: 'aarch64' }
  return { OSFamily: systems[platform] ?? platform, ISA: isas[arch] ?? arch, cpu_count: String(cpus) }
}

function rendered(options: RenderOptions, role: Role, name: string, base: Settings): Rendered {
  const settings = merged(base, options.deployment[role] ?? {})
  const text = stringify(settings)
  const file = join(options.paths.configs, `${name}.yaml`)
  const metrics = options.ports[`${name}-metrics`]
  return {
    file,
    text,
    spec: {
      name,
      role,
      args: ['serve', role, '--config', file],
      fingerprint: createHash('sha256').update(options.release).update('\n').update(text).digest('hex'),
      address: role === 'worker' ? null : `${loopback}:${options.ports[role]}`,
      metrics: metrics === undefined ? null : `${loopback}:${metrics}`,
      drainMs: parseSpan(String(settings['drain'] ?? defaultDrain)) + drainMarginMs,
    },
  }
}

function workerName(at: number): string {
  return `worker-${at + 1}`
}

function listen(ports: Ports, use: string): { listen: string } {
  return { listen: `${loopback}:${ports[use]}` }
}
