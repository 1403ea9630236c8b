import type { Deployment } from '../../config/deployment.ts'
import { Failure } from '../../core/failure.ts'
import { sizeText } from '../../core/units.ts'

/** A store divides its size into segments; below this not even one blob of a usual size fits. */
const cacheBytesMin = 64 * 1024 * 1024
/** The most processes that one machine can be asked to run at once. */
const actionsAtOnceMax = 4096

/**
 * Refuses values that no server can start with, before anything is changed.
 * @throws Failure 'invalid'
 */
export function assertPossible({ cache_size: cacheBytes, workers = 1, slots = 1 }: Deployment): void {
  if (cacheBytes !== undefined && cacheBytes < cacheBytesMin)
    throw new Failure('invalid', `a cache of ${sizeText(cacheBytes)} is too small to hold anything`, {
      where: '--cache-size',
      next: [`Give it at least ${sizeText(cacheBytesMin)}; the default is 10GB.`],
    })
  if (workers * slots > actionsAtOnceMax)
    throw new Failure(
      'invalid',
      `${workers} workers with ${slots} slots would run ${workers * slots} actions at once`,
      {
        where: '--slots',
        next: [`Use at most ${actionsAtOnceMax} in total; the default is one slot for each processor.`],
      },
    )
}
