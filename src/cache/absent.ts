import { type Digest, digestText } from '../core/digest.ts'
import { Failure, withoutStack } from '../core/failure.ts'
import { sizeText } from '../core/units.ts'
import type { CacheContext } from './context.ts'

const msPerMinute = 60_000

/**
 * A blob that is not here; with the reason, if it was here within the last hour and had to go.
 * @param what what the client takes it for, as in "blob"
 */
export function absent({ evictions }: CacheContext, digest: Digest, what: string): Failure {
  const where = digestText(digest)
  const since = evictions?.millisecondsSince(digest)
  if (!evictions || since === undefined)
    return withoutStack(() => new Failure('not-found', `there is no such ${what}`, { where }))
  const minutes = Math.round(since / msPerMinute)
  const when = minutes < 1 ? 'less than a minute' : minutes === 1 ? 'a minute' : `${minutes} minutes`
  const size = sizeText(evictions.capacityBytes)
  return withoutStack(
    () =>
      new Failure(
        'not-found',
        `this ${what} was evicted ${when} ago: the cache (${size}) is smaller than what is in use`,
        {
          where,
          next: ['Give the cache more room (--cache-size, or store.size in its configuration).'],
        },
      ),
  )
}
