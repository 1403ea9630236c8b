import { sizeText } from './units.ts'

/** Bytes, and what they may come to; null where that is not told. */
export interface Stored {
  readonly usedBytes: number | null
  readonly limitBytes: number | null
}

/** What the cache holds, and how often it had what was asked for. */
export interface CacheUsage extends Stored {
  /** Blobs and action results. */
  readonly entries: number | null
  readonly sinceStart: CacheCounts
  /** To the minute. */
  readonly lastHour: CacheCounts
  /**
   * For how long the youngest that was evicted in the last hour had not been used; null when nothing was that had been
   * used within an hour before. A number says that the cache is smaller than what builds need.
   */
  readonly evictedUnusedSeconds: number | null
  /** Since the start; null from a release that does not split blobs. */
  readonly chunked: ChunkedUsage | null
  /** Bytes of blobs on the wire since the start; null from a release that does not count them. */
  readonly transferred: { readonly receivedBytes: number; readonly sentBytes: number } | null
}

/** Blobs that were stored in chunks, which blobs that are nearly alike share. */
export interface ChunkedUsage {
  readonly blobs: number
  /** Of the blobs, each whole. */
  readonly bytes: number
  /** Those of the bytes that needed no room, since they lay in chunks of other blobs already. */
  readonly sharedBytes: number
}

export interface CacheCounts {
  /** GetActionResult, as clients called it. */
  readonly actionResults: Lookups
  /** Executions that the scheduler looked up before it ran them; many clients have looked themselves just before. */
  readonly executions: Lookups
  /** Digests of FindMissingBlobs, of clients, workers and the scheduler: those that were there, and those that were not. */
  readonly blobs: Lookups
  /** Blobs and action results that gave way to others; null from a store that does not count them. */
  readonly evicted: { readonly count: number; readonly bytes: number } | null
}

export interface Lookups {
  readonly hits: number
  readonly misses: number
}

/** `85 % of 1,204`. Never 100 % where one was missed, nor 0 % where one was found. */
export function rateText({ hits, misses }: Lookups): string {
  const all = hits + misses
  if (all === 0) return 'none asked for'
  const percent = Math.round((100 * hits) / all)
  const shown = hits === 0 || misses === 0 ? percent : Math.min(99, Math.max(1, percent))
  return `${shown} % of ${all.toLocaleString('en')}`
}

/** `31 (2 MiB)`. */
export function evictedText(evicted: CacheCounts['evicted']): string {
  if (!evicted) return 'not counted'
  return evicted.count === 0 ? 'none' : `${evicted.count.toLocaleString('en')} (${sizeText(evicted.bytes)})`
}

/** `1.2 GiB of 10 GiB (12 %)`. */
export function storedText({ usedBytes, limitBytes }: Stored): string {
  if (limitBytes === null) return 'not told'
  if (usedBytes === null) return `at most ${sizeText(limitBytes)}`
  return `${sizeText(usedBytes)} of ${sizeText(limitBytes)} (${Math.round((100 * usedBytes) / limitBytes)} %)`
}
