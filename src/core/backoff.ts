/** The wait after the first failure, and the longest that it grows to, in milliseconds. */
export interface BackoffBounds {
  readonly msMin: number
  readonly msMax: number
}

/**
 * The wait before the next attempt; doubles with each consecutive failure.
 * @param failures consecutive ones, from 1
 * @returns milliseconds
 */
export function backoffMs(failures: number, { msMin, msMax }: BackoffBounds): number {
  return Math.min(msMin * 2 ** (failures - 1), msMax)
}

/** Jitter: spreads the waits of many that failed together over the second half of each. @param random from 0 to 1 */
export function spreadMs(ms: number, random: number): number {
  return ms * (0.5 + random / 2)
}
