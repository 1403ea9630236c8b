import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import { createLastHour } from '../telemetry/last-hour.ts'
import type { Log } from '../telemetry/log.ts'

/** What a store had to evict for lack of room, and what it remembers about it. */
export interface Evictions {
  /**
   * A value is gone.
   * @param digest undefined when nobody is going to ask for it
   * @param idleMs how long it had not been used, at most; undefined when that is not known
   */
  note(digest: Digest | undefined, bytes: number, idleMs: number | undefined): void
  /** How long ago it was evicted, in milliseconds, if that was within the last hour and is remembered. */
  millisecondsSince(digest: Digest): number | undefined
  /** What the store may hold, in bytes. */
  readonly capacityBytes: number
  readonly count: number
  readonly bytes: number
  /** How many, and their bytes, within the last hour. */
  lastHour(): { readonly count: number; readonly bytes: number }
  /** How long the youngest of the last hour had not been used, in milliseconds; undefined when there is none. */
  youngestIdleMs(): number | undefined
}

/** How long an eviction is remembered, and how lately used a value must be for its eviction to be a bad sign. */
const rememberedMs = 60 * 60_000
/** A warning is not repeated sooner, in milliseconds. */
const warningEachMs = 10 * 60_000
/** Sets of the memory, each of so many digests: a million in 8 MiB, which are taken at the first eviction. */
const setsCount = 2 ** 18
const waysPerSet = 4
/** A digest is a fingerprint of 32 bits beside its set's 18, and a second: of ten million absent ones, one is mistaken. */
const wordsPerWay = 2

/** Under what the eviction of an action's result is remembered: the digest itself is that of the Action, a blob of its own. */
export function resultOf(action: Digest): Digest {
  return { ...action, hash: action.hash.slice(16) + action.hash.slice(0, 16) }
}

/** Nothing evicted yet. */
export function createEvictions(capacityBytes: number, clock: Clock, log: Log): Evictions {
  let memory: Uint32Array | undefined
  const startedAt = clock.now()
  let count = 0
  let bytesInAll = 0
  const lately = { count: createLastHour(clock), bytes: createLastHour(clock) }
  let youngest: { idleMs: number; at: number } | undefined
  let warnedAt = Number.NEGATIVE_INFINITY

  /** Seconds since the start, from 1: 0 is a free place. */
  const secondsNow = () => Math.floor((clock.now() - startedAt) / 1000) + 1

  /** Where the digest is remembered; otherwise the free or oldest place of its set, with `found` false. */
  function placeOf({ hash }: Digest, words: Uint32Array): { at: number; found: boolean; print: number } {
    const print = Number.parseInt(hash.slice(0, 8), 16)
    const set = Number.parseInt(hash.slice(8, 16), 16) % setsCount
    let oldest = set * waysPerSet * wordsPerWay
    for (let way = 0; way < waysPerSet; way += 1) {
      const at = (set * waysPerSet + way) * wordsPerWay
      if (words[at] === print && words[at + 1] !== 0) return { at, found: true, print }
      if ((words[at + 1] ?? 0) < (words[oldest + 1] ?? 0)) oldest = at
    }
    return { at: oldest, found: false, print }
  }

  function remember(digest: Digest): void {
    memory ??= new Uint32Array(setsCount * waysPerSet * wordsPerWay)
    const { at, print } = placeOf(digest, memory)
    memory[at] = print
    memory[at + 1] = secondsNow()
  }

  function warn(idleMs: number): void {
    if (clock.now() - warnedAt < warningEachMs) return
    warnedAt = clock.now()
    log.warn('the cache is smaller than what is in use: values are evicted that were used within the last hour', {
      capacity_bytes: capacityBytes,
      evicted: count,
      evicted_bytes: bytesInAll,
      unused_minutes: Math.ceil(idleMs / 60_000),
      next: 'Give the cache more room (--cache-size, or store.size in its configuration).',
    })
  }

  return {
    note(digest, bytes, idleMs) {
      if (digest) remember(digest)
      count += 1
      bytesInAll += bytes
      lately.count.add()
      lately.bytes.add(bytes)
      if (idleMs === undefined || idleMs > rememberedMs) return
      const current = youngest && clock.now() - youngest.at < rememberedMs ? youngest : undefined
      if (!current || idleMs < current.idleMs) youngest = { idleMs, at: clock.now() }
      warn(idleMs)
    },
    millisecondsSince(digest) {
      if (!memory || digest.hash.length < 16) return undefined
      const { at, found } = placeOf(digest, memory)
      const since = (secondsNow() - (memory[at + 1] ?? 0)) * 1000
      return found && since <= rememberedMs ? since : undefined
    },
    capacityBytes,
    get count() {
      return count
    },
    get bytes() {
      return bytesInAll
    },
    lastHour: () => ({ count: lately.count.sum(), bytes: lately.bytes.sum() }),
    youngestIdleMs: () => (youngest && clock.now() - youngest.at < rememberedMs ? youngest.idleMs : undefined),
  }
}
