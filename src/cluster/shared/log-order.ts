import { writtenAt } from '../../core/log-line.ts'
import type { LogLine } from '../driver.ts'

/** Lines of one server, oldest first. */
export interface ServerLines {
  readonly server: string
  readonly lines: readonly string[]
}

/**
 * Lines of several servers ordered by their timestamps. A line without one (of a stack trace, or the log of a server
 * that writes for people) stays after the line before it.
 * @param sinceMs leaves out earlier lines, in milliseconds since 1970
 */
export function inOrder(logs: readonly ServerLines[], sinceMs = Number.NEGATIVE_INFINITY): LogLine[] {
  const timed = logs.flatMap(({ server, lines }) => {
    let time: number | undefined
    return lines.map((text) => {
      time = writtenAt(text) ?? time
      return { time: time ?? Number.POSITIVE_INFINITY, server, text }
    })
  })
  return timed
    .filter(({ time }) => time >= sinceMs)
    .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
    .map(({ server, text }) => ({ server, text }))
}
