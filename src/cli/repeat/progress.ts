import type { Clock } from '../../core/clock.ts'
import { columnsOf } from '../wrap.ts'

const liveEveryMs = 200
const lineEveryMs = 10_000

export interface RepeatProgress {
  update(progress: { readonly done: number; readonly different: number }): void
  /** Removes what is drawn. */
  end(): void
}

/** A check's progress: one line that is redrawn or, if that is not possible, a line every ten seconds. */
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
