import type { ClusterStatus } from '../../cluster/driver.ts'
import type { Lookups } from '../../core/cache-usage.ts'

/** What happened between two looks at a cluster, a second; null of what is not told, or was started anew in between. */
export interface Rates {
  /** Actions that workers ended. */
  readonly ended: number | null
  /** Executions that were answered from the cache. */
  readonly cached: number | null
  /** Lookups of action results by clients, and how many of them were found, from 0 to 1; null where there was none. */
  readonly lookups: number | null
  readonly found: number | null
  /** Bytes of blobs that the cache took and gave. */
  readonly receivedBytes: number | null
  readonly sentBytes: number | null
}

/** @param ms between the two */
export function ratesBetween(before: ClusterStatus, after: ClusterStatus, ms: number): Rates {
  const rate = (count: (status: ClusterStatus) => number | undefined) => {
    const grown = difference(count(before), count(after))
    return grown === null || ms <= 0 ? null : (grown * 1000) / ms
  }
  const actionResults = (of: (lookups: Lookups) => number) => (status: ClusterStatus) =>
    status.cache ? of(status.cache.sinceStart.actionResults) : undefined
  const lookups = rate(actionResults(({ hits, misses }) => hits + misses))
  const hits = rate(actionResults((each) => each.hits))
  return {
    ended: rate(({ load }) => load?.sinceStart.ended),
    cached: rate(({ load }) => load?.sinceStart.cached),
    lookups,
    found: hits === null || !lookups ? null : hits / lookups,
    receivedBytes: rate(({ cache }) => cache?.transferred?.receivedBytes),
    sentBytes: rate(({ cache }) => cache?.transferred?.sentBytes),
  }
}

/** A counter that has become less belongs to a server that was started anew. */
function difference(before: number | undefined, after: number | undefined): number | null {
  return before === undefined || after === undefined || after < before ? null : after - before
}
