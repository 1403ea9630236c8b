import type { Clock } from '../../core/clock.ts'
import { columnsOf } from '../wrap.ts'

const liveEveryMs = 200
const lineEveryMs = 10_000

export interface RepeatProgress {
  update(progress: { readonly done: number; readonly different: number }): void
  /** Takes away what is drawn. */
  end(): void
}

/** How far a check is: one line that is drawn over, or, where it may not be, a line every ten seconds. */
export function showRepeat(stream: NodeJS.WriteStream, clock: Clock, live: boolean, actions: number): RepeatProgress {
  let told = live ? 0 : clock.now()
  let drawn = false
  return {
    update({ done, different }) {
      if (done === actions || clock.now() - told < (live ? liveEveryMs : lineEveryMs)) return
      told = clock.now()
      const text = `native: ${done} of ${actions} actions run again, ${different} made something else`
      if (!live) return void stream.write(`${text}\n`)
      stream.write(`\r\u001b[K${text.slice(0, columnsOf(stream) - 1)}`)
      drawn = true
    },
    end() {
      if (drawn) stream.write('\r\u001b[K')
      drawn = false
    },
  }
}
