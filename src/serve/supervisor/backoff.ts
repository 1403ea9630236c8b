/** Before the first restart: clients that retry for a few seconds (Bazel: three) hardly notice it. */
const pauseMsFirst = 100
/** Before the second, doubling from there: a server that cannot stay up must not overload the machine. */
const pauseMsMin = 1_000
const pauseMsMax = 30_000
/** A server that ran this long was healthy: its next crash counts as the first. */
const healthyMs = 60_000

/**
 * The delay before a crashed server is restarted: a tenth of a second, then a second, doubled with each consecutive
 * crash, thirty seconds at most.
 * @param previousMs the pause before the run that just ended; 0 for the first
 * @param ranMs how long that run lasted
 */
export function nextPauseMs(previousMs: number, ranMs: number): number {
  if (previousMs === 0 || ranMs >= healthyMs) return pauseMsFirst
  return Math.min(Math.max(previousMs * 2, pauseMsMin), pauseMsMax)
}
