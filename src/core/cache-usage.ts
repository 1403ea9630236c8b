import { sizeText } from './units.ts'

/** Bytes, and their limit; null if not reported. */
export interface Stored {
  readonly usedBytes: number | null
  readonly limitBytes: number | null
}

/** What the cache holds, and how often lookups hit. */
export interface CacheUsage extends Stored {
  /** Blobs and action results. */
  readonly entries: number | null
  readonly sinceStart: CacheCounts
  /** To the nearest minute. */
  readonly lastHour: CacheCounts
  /**
   * Of the entries evicted in the last hour, how long the most recently used one had been unused; null if none had been
   * used within the hour before its eviction. A number means that the cache is smaller than builds need.
   */
  readonly evictedUnusedSeconds: number | null
  /** Since the start; null for a release that does not split blobs. */
  readonly chunked: ChunkedUsage | null
  /** What is kept for builds that run; null if the cache keeps nothing for any. */
  readonly pins: PinUsage | null
  /** What is held by kind and age; null for a store in memory, or a release that does not report it. */
  readonly held: readonly HeldBytes[] | null
  /** Blob bytes transferred since the start; null for a release that does not count them. */
  readonly transferred: { readonly receivedBytes: number; readonly sentBytes: number } | null
}

/** Bytes of a kind that were written within a span, or longer ago. */
export interface HeldBytes {
  readonly kind: HeldKind
  readonly age: HeldAge
  readonly bytes: number
}

/** Small blobs share files, large ones have one each. */
export const heldKinds = ['small_blob', 'large_blob', 'action_result'] as const
export type HeldKind = (typeof heldKinds)[number]

/** How long ago something was written: within the last hour, the last day, the last week, or before. */
export const heldAges = ['hour', 'day', 'week', 'older'] as const
export type HeldAge = (typeof heldAges)[number]

/** Blobs stored in chunks, which similar blobs share. */
export interface ChunkedUsage {
  readonly blobs: number
  /** Of the blobs, counted in full. */
  readonly bytes: number
  /** Of those bytes, how many needed no space because other blobs' chunks already held them. */
  readonly sharedBytes: number
}

/** What is kept for builds while they run. */
export interface PinUsage {
  /** On disk; what several builds hold counts once. */
  readonly bytes: number
  /** The most that is kept. */
  readonly bytesMax: number
  /** Uploads refused since the start because of it. */
  readonly refused: number
  /** The one that holds most first. */
  readonly holders: readonly PinHolder[]
}

export interface PinHolder {
  /** The invocation ID. */
  readonly invocation: string
  /** The address that named it first. */
  readonly client: string
  /** What others hold too counts. */
  readonly bytes: number
  /** Since its last call. */
  readonly silentSeconds: number
}

export interface CacheCounts {
  /** GetActionResult, called by clients. */
  readonly actionResults: Lookups
  /** Lookups by the scheduler before execution; many clients have just looked themselves. */
  readonly executions: Lookups
  /** Digests in FindMissingBlobs calls by clients, workers and the scheduler: found and missing. */
  readonly blobs: Lookups
  /** Evicted blobs and action results; null for a store that does not count them. */
  readonly evicted: { readonly count: number; readonly bytes: number } | null
}

export interface Lookups {
  readonly hits: number
  readonly misses: number
}

/** `85 % of 1,204`. Never 100 % if there was a miss, nor 0 % if there was a hit. */
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
  if (limitBytes === null) return 'not reported'
  if (usedBytes === null) return `at most ${sizeText(limitBytes)}`
  return `${sizeText(usedBytes)} of ${sizeText(limitBytes)} (${Math.round((100 * usedBytes) / limitBytes)} %)`
}
