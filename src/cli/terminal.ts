import { columnsOf } from './wrap.ts'

const rowsUsual = 24

/**
 * May output on this stream be redrawn? Not in a file or a pipe, not on a terminal that cannot move its cursor, and not
 * in a CI system, whose log keeps everything that was ever drawn.
 */
export function isLive(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && env['TERM'] !== 'dumb' && !isOn(env['CI'])
}

/** A terminal whose size was never set reports 0 by 0, which would lead to one character per line. */
export function giveSize(stream: NodeJS.WriteStream): void {
  if (stream.columns === 0) stream.columns = columnsOf(stream)
  if (stream.rows === 0) stream.rows = rowsUsual
}

/** The width to wrap at; none for a file, a pipe or a message, whose reader wraps lines, if at all. */
export function columnsFor(stream: NodeJS.WriteStream | undefined): number {
  return stream?.isTTY ? columnsOf(stream) : Number.POSITIVE_INFINITY
}

function isOn(variable: string | undefined): boolean {
  return variable !== undefined && !['', '0', 'false'].includes(variable.toLowerCase())
}
