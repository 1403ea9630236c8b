/** From the wait after the first failure to what it grows to, in milliseconds. */
export interface BackoffBounds {
  readonly msMin: number
  readonly msMax: number
}

/**
 * The wait before the next attempt: it doubles with each failure in a row.
 * @param failures in a row, from 1
 * @returns milliseconds
 */
export function backoffMs(failures: number, { msMin, msMax }: BackoffBounds): number {
  return Math.min(msMin * 2 ** (failures - 1), msMax)
}

/** Spreads the waits of many that failed together over the second half of each. @param random from 0 to 1 */
export function spreadMs(ms: number, random: number): number {
  return ms * (0.5 + random / 2)
}
