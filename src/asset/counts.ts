import type { Metrics } from '../telemetry/metrics.ts'

/** Whether a request was about a blob or a directory. */
export type Kind = 'blob' | 'directory'

/**
 * pushed: a client had set the content of the name. cached: the cache had content with the checksum. fetched: it came
 * from an origin, for this request or an identical one. failed: the response's status says why. refused: the call
 * failed.
 */
export type FetchResult = 'pushed' | 'cached' | 'fetched' | 'failed' | 'refused'

export interface Counts {
  fetch(kind: Kind, result: FetchResult): void
  push(kind: Kind): void
  /** Counts bytes received from origins. */
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
