import type { Metrics } from '../../telemetry/metrics.ts'

export interface ChunkCounters {
  /** A blob has been stored as chunks, of which so many bytes were not there before. */
  kept(bytes: number, bytesStored: number): void
}

export function chunkCounters(metrics: Metrics): ChunkCounters {
  const blobs = metrics.counter('native_store_chunked_blobs_total', 'Blobs that were stored as chunks')
  const whole = metrics.counter('native_store_chunked_bytes_total', 'Bytes of the blobs that were stored as chunks')
  const shared = metrics.counter(
    'native_store_chunked_shared_bytes_total',
    'Those of the bytes that needed no room: they lay in the store already, in chunks of other blobs',
  )
  return {
    kept(bytes, bytesStored) {
      blobs.inc()
      whole.inc({}, bytes)
      shared.inc({}, bytes - bytesStored)
    },
  }
}
