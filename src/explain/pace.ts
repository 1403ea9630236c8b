/** At most a twentieth of the time is spent on what goes on and is asked for again and again. */
export const paceFactor = 20
const goodMsMin = 2_000

/** How long an answer is good while the history goes on. @param tookMs to make it, in milliseconds */
export function goodMs(tookMs: number): number {
  return Math.max(goodMsMin, paceFactor * tookMs)
}
