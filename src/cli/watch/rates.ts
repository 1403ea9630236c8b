import type { ClusterStatus } from '../../cluster/status.ts'
import type { Lookups } from '../../core/cache-usage.ts'

/** Rates per second between two looks at a cluster; null if not reported, or if the server restarted in between. */
export interface Rates {
  /** Actions that workers finished. */
  readonly ended: number | null
  /** Executions that were answered from the cache. */
  readonly cached: number | null
  /** Clients' lookups of action results, and the share that was found, from 0 to 1; null if there were none. */
  readonly lookups: number | null
  readonly found: number | null
  /** Blob bytes that the cache received and sent. */
  readonly receivedBytes: number | null
  readonly sentBytes: number | null
}

/** @param ms time between the two */
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

/** A counter that has decreased belongs to a restarted server. */
function difference(before: number | undefined, after: number | undefined): number | null {
  return before === undefined || after === undefined || after < before ? null : after - before
}
