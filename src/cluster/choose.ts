import { Failure } from '../core/failure.ts'
import type { DriverKind } from './driver.ts'
import { kindPaths } from './kind/paths.ts'
import { isThere } from './process/files.ts'
import { clusterPaths, type Surroundings } from './process/paths.ts'

/**
 * The driver that a user means who names none: that of the cluster which is there, and processes
 * where there is none.
 * @throws Failure 'invalid' when each has a cluster of this name
 */
export async function chooseDriver(name: string, surroundings: Surroundings): Promise<DriverKind> {
  const kind = await isThere(kindPaths(name, surroundings).cluster)
  if (kind && (await isThere(clusterPaths(name, surroundings).cluster)))
    throw new Failure('invalid', `there are two clusters "${name}", one of each driver`, {
      where: '--driver',
      next: ['Say --driver process or --driver kind; NATIVE_DRIVER says it for all commands.'],
    })
  return kind ? 'kind' : 'process'
}
