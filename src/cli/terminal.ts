import { columnsOf } from './wrap.ts'

const rowsUsual = 24

/**
 * May what is shown on this stream be drawn over? Not in a file or a pipe, not on a terminal that cannot move its cursor,
 * and not in a CI system, whose log keeps every line that was ever drawn.
 */
export function isLive(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && env['TERM'] !== 'dumb' && !isOn(env['CI'])
}

/** A terminal of a size that nobody has set says 0 by 0, on which one character a line would be drawn. */
export function giveSize(stream: NodeJS.WriteStream): void {
  if (stream.columns === 0) stream.columns = columnsOf(stream)
  if (stream.rows === 0) stream.rows = rowsUsual
}

/** Columns to keep to; none in a file, a pipe or a message, whose reader breaks lines, or not, by itself. */
export function columnsFor(stream: NodeJS.WriteStream | undefined): number {
  return stream?.isTTY ? columnsOf(stream) : Number.POSITIVE_INFINITY
}

function isOn(variable: string | undefined): boolean {
  return variable !== undefined && !['', '0', 'false'].includes(variable.toLowerCase())
}
