import { performance } from 'node:perf_hooks'

/** @returns a function that tells which share of the time since its last call the event loop was not idle, from 0 to 1 */
export function createEventLoopUsage(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
}
