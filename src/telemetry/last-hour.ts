import type { Clock } from '../core/clock.ts'

const msPerMinute = 60_000
/** The current minute, and the 59 before it. */
const minutesKept = 60

/** A count over the last hour, to the minute. */
export interface LastHour {
  /** @param by 0 or more; 1 when absent */
  add(by?: number): void
  /** The sum of the current minute and the 59 before it. */
  sum(): number
}

/** Starts at zero. It takes 480 bytes, however much is counted: a ring with one number per minute. */
export function createLastHour({ now }: Pick<Clock, 'now'>): LastHour {
  const minutes = new Float64Array(minutesKept)
  let current = minuteAt(now())

  /** Clears what is older than an hour. If the clock is set back, counts go to the latest minute reached. */
  function moveOn(): void {
    const minute = minuteAt(now())
    const passed = minute - current
    if (passed <= 0) return
    if (passed >= minutesKept) minutes.fill(0)
    else for (let each = current + 1; each <= minute; each += 1) minutes[each % minutesKept] = 0
    current = minute
  }

  return {
    add(by = 1) {
      moveOn()
      const at = current % minutesKept
      minutes[at] = (minutes[at] ?? 0) + by
    },
    sum() {
      moveOn()
      return minutes.reduce((sum, each) => sum + each, 0)
    },
  }
}

function minuteAt(ms: number): number {
  return Math.floor(ms / msPerMinute)
}
