import { arch, availableParallelism, platform } from 'node:os'
import { systemClock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import type { Driver, DriverKind } from './driver.ts'

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
}

/**
 * The driver of this kind for the cluster of this name; loads no other.
 * @throws Failure 'unimplemented'
 */
export async function openDriver(kind: DriverKind, options: OpenOptions): Promise<Driver> {
  if (kind === 'kind')
    throw new Failure('unimplemented', 'the kind driver is not there yet', {
      where: '--driver kind',
      next: ['Use --driver process, the default: it needs no Docker and no Kubernetes.'],
    })
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
