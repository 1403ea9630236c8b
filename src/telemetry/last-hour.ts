import type { Clock } from '../core/clock.ts'

const msPerMinute = 60_000
/** The minute that runs, and the 59 before it. */
const minutesKept = 60

/** What was counted within the last hour, to the minute. */
export interface LastHour {
  /** @param by 0 or more; 1 when absent */
  add(by?: number): void
  /** The sum of the minute that runs and the 59 before it. */
  sum(): number
}

/** Nothing counted yet. It takes 480 bytes, however much is counted: a ring of one number for each minute. */
export function createLastHour({ now }: Pick<Clock, 'now'>): LastHour {
  const minutes = new Float64Array(minutesKept)
  let current = minuteAt(now())

  /** Clears what has left the hour. A clock that was set back counts into the minute that it had come to. */
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
