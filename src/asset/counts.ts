import type { Metrics } from '../telemetry/metrics.ts'

/** Whether a request was about a blob or a directory. */
export type Kind = 'blob' | 'directory'

/**
 * pushed: a client had said what stands under the name. cached: the cache had content of the checksum. fetched: it came
 * from an origin, for this request or for one that wanted the same. failed: the answer's status tells why. refused: the call failed.
 */
export type FetchResult = 'pushed' | 'cached' | 'fetched' | 'failed' | 'refused'

export interface Counts {
  fetch(kind: Kind, result: FetchResult): void
  push(kind: Kind): void
  /** Bytes that came from origins. */
  received(bytes: number): void
}

/** Registers the metrics of assets. */
export function createCounts(metrics: Metrics): Counts {
  const fetches = metrics.counter('native_asset_fetches_total', 'Assets that were asked for, and what came of it.', [
    'kind',
    'result',
  ])
  const pushes = metrics.counter('native_asset_pushes_total', 'Names that clients gave to content.', ['kind'])
  const bytes = metrics.counter('native_asset_downloaded_bytes_total', 'Bytes that came from origins.')
  return {
    fetch: (kind, result) => fetches.inc({ kind, result }),
    push: (kind) => pushes.inc({ kind }),
    received: (count) => bytes.inc({}, count),
  }
}
