import { arch, availableParallelism, platform } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { systemClock } from '../core/clock.ts'
import type { Driver, DriverKind } from './driver.ts'
import type { ImageVerifier } from './kind/context.ts'

/** What a driver must know of its user, its machine and this program. */
export interface OpenOptions {
  readonly name: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly tmp: string
  readonly uid: number
  /** How `native` is started: the runtime and the script, absolute. */
  readonly program: readonly string[]
  readonly release: string
  /** Where the user stands, which relative files are from; that of the process when absent. */
  readonly cwd?: string
  /** How a published image is judged; whoever opens a driver joins `image` and `trust`. */
  readonly verify?: ImageVerifier
}

/**
 * The driver of this kind for the cluster of this name; loads no other.
 * @throws Failure of the settings of kind clusters (kind/settings.ts)
 */
export async function openDriver(kind: DriverKind, options: OpenOptions): Promise<Driver> {
  if (kind === 'kind') return openKindDriver(options)
  const [{ createProcessDriver }, { clusterPaths }] = await Promise.all([
    import('./process/driver.ts'),
    import('./process/paths.ts'),
  ])
  return createProcessDriver({
    paths: clusterPaths(options.name, options),
    surroundings: options,
    machine: { platform: platform(), arch: arch(), cpus: availableParallelism() },
    clock: systemClock,
    program: options.program,
    release: options.release,
  })
}

async function openKindDriver(options: OpenOptions): Promise<Driver> {
  const [{ createKindDriver }, { kindPaths }, { kindSettings }] = await Promise.all([
    import('./kind/driver.ts'),
    import('./kind/paths.ts'),
    import('./kind/settings.ts'),
  ])
  const configured = options.env['XDG_CONFIG_HOME']
  return createKindDriver({
    paths: kindPaths(options.name, options),
    surroundings: options,
    // Nodes are containers: Linux, whatever this machine is.
    machine: { platform: 'linux', arch: arch(), cpus: availableParallelism() },
    clock: systemClock,
    release: options.release,
    cwd: options.cwd ?? process.cwd(),
    ...(options.verify && { verify: options.verify }),
    settings: await kindSettings(configured && isAbsolute(configured) ? configured : join(options.home, '.config')),
    templates: join(dirname(dirname(options.program.at(-1) ?? '')), 'templates'),
  })
}
