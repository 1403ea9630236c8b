import type { Clock } from '../../core/clock.ts'

/** How often it is looked whether a server has given a sign of life (serve/parent.ts: every five seconds). */
const lookMs = 5_000
/**
 * Looks in a row without one, after which a server hangs: many times what a busy server's loop
 * may stand still. Looks are counted, not time, so that a machine that slept kills nobody.
 */
const looksMax = 12
/** How long a server may be silent, in seconds. */
export const silentSecondsMax = (lookMs * looksMax) / 1000

/**
 * Calls back once when a server, having given signs of life, gives none for a minute.
 * @param signs how many it has given so far; while there are none, nothing is expected
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
