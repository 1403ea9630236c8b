import type { Clock } from '../../core/clock.ts'

/** How often a server's heartbeats are checked (serve/parent.ts: one every five seconds). */
const lookMs = 5_000
/**
 * Consecutive checks without a heartbeat after which a server counts as hung: far longer than a busy event loop may
 * block. Checks are counted, not time, so that nothing is killed after the machine slept.
 */
const looksMax = 12
/** How long a server may be silent, in seconds. */
export const silentSecondsMax = (lookMs * looksMax) / 1000

/**
 * Calls back once if a server that has sent heartbeats sends none for a minute.
 * @param signs the number of heartbeats so far; until the first, none is expected
 * @returns stops watching
 */
export function watchLife(clock: Clock, signs: () => number, hangs: () => void): () => void {
  let seen = 0
  let looks = 0
  let cancel = clock.after(lookMs, look)

  function look(): void {
    const now = signs()
    looks = now === seen && now > 0 ? looks + 1 : 0
    seen = now
    if (looks >= looksMax) hangs()
    else cancel = clock.after(lookMs, look)
  }

  return () => cancel()
}
