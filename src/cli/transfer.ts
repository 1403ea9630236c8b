import type { Clock } from '../core/clock.ts'
import { sizeText } from '../core/units.ts'
import { columnsOf } from './wrap.ts'

const liveEveryMs = 200
const lineEveryMs = 5_000
/** Faster transfers are not shown. */
const quietMs = 1_000

/** Shows the progress of a transfer. */
export interface Transfer {
  /** Starts over with this many bytes. */
  plan(what: string, bytes: number): void
  moved(bytes: number): void
  /** Removes what is drawn; anything else that is written comes after it. */
  clear(): void
}

/**
 * One line that is redrawn on a terminal; otherwise a line every few seconds, and none if it is done sooner.
 * @param live may the line be redrawn?
 */
export function showTransfer(stream: NodeJS.WriteStream, clock: Clock, live: boolean): Transfer {
  let what = ''
  let total = 0
  let done = 0
  let began = clock.now()
  let told = began
  let drawn = false
  return {
    plan(name, bytes) {
      what = name
      total = bytes
      done = 0
      began = clock.now()
      told = began + (live ? quietMs : lineEveryMs) - (live ? liveEveryMs : lineEveryMs)
    },
    moved(bytes) {
      done += bytes
      const now = clock.now()
      if (done >= total || now - told < (live ? liveEveryMs : lineEveryMs)) return
      told = now
      const text = `native: ${what} ${progressText(done, total, now - began)}`
      if (!live) return void stream.write(`${text}\n`)
      stream.write(`\r\u001b[K${text.slice(0, columnsOf(stream) - 1)}`)
      drawn = true
    },
    clear() {
      if (drawn) stream.write('\r\u001b[K')
      drawn = false
    },
  }
}

/** `120 MiB of 750 MiB, 45 MiB/s, 14 s left`. */
export function progressText(done: number, total: number, ms: number): string {
  const perSecond = (done / Math.max(1, ms)) * 1000
  const left = perSecond > 0 ? `, ${Math.ceil((total - done) / perSecond)} s left` : ''
  return `${sizeText(done)} of ${sizeText(total)}, ${sizeText(Math.round(perSecond))}/s${left}`
}
