import type { Clock } from '../../src/core/clock.ts'

/** Time that moves when the test says so. */
export interface ManualClock extends Clock {
  /** Moves on, calling back in order what falls due on the way. */
  advance(ms: number): void
  /** Time passes, and no timer fires: the machine sleeps. */
  sleep(ms: number): void
}

export function manualClock(start = 1_700_000_000_000): ManualClock {
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>()
  let now = start
  return {
    now: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    sleep(ms) {
      now += ms
    },
    advance(ms) {
      const end = now + ms
      for (;;) {
        const due = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
        if (!due) break
        timers.delete(due)
        now = Math.max(now, due.at)
        due.callback()
      }
      now = end
    },
  }
}
