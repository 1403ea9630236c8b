import type { LocalHistory } from '../core/build-history.ts'
import type { Clock } from '../core/clock.ts'
import { goodMs } from '../explain/pace.ts'

/** Caches large parts of a history for all open pages, each of which asks at every change. */
export interface Kept<T> {
  /** The cached value of this key, if it is still good. */
  of(key: string, read: () => Promise<T>): Promise<T>
  /** The revision that `of` would answer from; it changes as soon as there is something newer. */
  revision(key: string): number
}

/** @param keptMax values; the oldest is evicted first */
export function createKept<T>(history: Pick<LocalHistory, 'revision'>, clock: Clock, keptMax: number): Kept<T> {
  const kept = new Map<string, Entry<T>>()

  function good(key: string): Entry<T> | undefined {
    const known = kept.get(key)
    if (!known) return undefined
    const isYoung = known.tookMs === undefined || clock.now() - known.at < goodMs(known.tookMs)
    return isYoung || known.revision === history.revision() ? known : undefined
  }

  return {
    of(key, read) {
      const known = good(key)
      if (known) return known.value
      const made: Entry<T> = { at: clock.now(), revision: history.revision(), value: read() }
      kept.delete(key)
      kept.set(key, made)
      made.value.then(
        () => {
          made.tookMs = clock.now() - made.at
        },
        () => {
          if (kept.get(key) === made) kept.delete(key)
        },
      )
      const [oldest] = kept.keys()
      if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest)
      return made.value
    },
    revision: (key) => (good(key) ?? { revision: history.revision() }).revision,
  }
}

interface Entry<T> {
  /** When reading it began, and the history's revision then. */
  readonly at: number
  readonly revision: number
  readonly value: Promise<T>
  /** Absent until it is there. */
  tookMs?: number
}
