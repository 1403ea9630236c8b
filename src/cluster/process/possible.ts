import type { Deployment } from '../../config/deployment.ts'
import { storeBytesMin } from '../../config/values.ts'
import { Failure } from '../../core/failure.ts'
import { sizeText } from '../../core/units.ts'

/** The most processes that one machine can be asked to run at once. */
const actionsAtOnceMax = 4096

/**
 * Refuses values that no server can start with, before anything is changed.
 * @param file the configuration file that the values are from, if they are not from flags
 * @throws Failure 'invalid'
 */
export function assertPossible({ cache_size: cacheBytes, workers = 1, slots = 1 }: Deployment, file?: string): void {
  if (cacheBytes !== undefined && cacheBytes < storeBytesMin)
    throw new Failure('invalid', `a cache of ${sizeText(cacheBytes)} is too small to hold anything`, {
      where: '--cache-size',
      next: [`Give it at least ${sizeText(storeBytesMin)}; the default is 10GB.`],
    })
  if (workers * slots > actionsAtOnceMax)
    throw new Failure(
      'invalid',
      `${workers} workers with ${slots} slots would run ${workers * slots} actions at once`,
      {
        where: file ?? '--slots',
        next: [`Use at most ${actionsAtOnceMax} in total; the default is one slot for each processor.`],
      },
    )
}
