import { firstDifference } from './bytes.ts'

/** How two runs of bytes differ, as far as can be told. */
export interface Leaf {
  readonly kind: 'time' | 'path' | 'order' | 'contents'
  readonly offset: number
  readonly one: string
  readonly other: string
}

/** What is shown, beginning shortly before the first difference, and how far a path or a time may extend around it. */
const shownBytes = 64
const beforeBytes = 16
const hexBytes = 16
const aroundBytes = 256
/** Lines are counted up to this. */
const textBytesMax = 4 * 1024 * 1024
const linesMax = 100_000

/** How builds record when they ran: dates, times of day, or current Unix times in seconds, milliseconds or finer. */
const times =
  /\d{4}-\d\d-\d\d|\d{4}\/\d\d\/\d\d|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* +\d{1,2}\b|\b\d{1,2}:\d\d:\d\d\b|\b(?:1[5-9]|2[0-2])\d{8}(?:\d{3}){0,3}(?:\.\d+)?\b/g

/** Compares bytes of unknown format. */
export function leafDifference(one: Buffer, other: Buffer): Leaf {
  const offset = firstDifference(one, other)
  const [before, after] = [textAt(one, offset), textAt(other, offset)]
  const shown =
    before === undefined || after === undefined
      ? { one: hexAt(one, offset), other: hexAt(other, offset) }
      : { one: before.shown, other: after.shown }
  const kind = sameLines(one, other) ? 'order' : before && after ? kindOf(before, after) : 'contents'
  return { kind, offset, ...shown }
}

interface Text {
  /** The run of printable characters around the byte, cut to a window, and the byte's position in it. */
  readonly run: string
  readonly place: number
  readonly shown: string
}

/** Undefined if the byte is not text. */
function textAt(bytes: Buffer, offset: number): Text | undefined {
  let from = offset
  while (from > 0 && offset - from < aroundBytes && isPrintable(bytes[from - 1])) from -= 1
  let to = offset
  while (to < bytes.length && to - offset < aroundBytes && isPrintable(bytes[to])) to += 1
  // One of the two texts may simply end here.
  if (to === from) return undefined
  const start = Math.max(from, offset - beforeBytes)
  return {
    run: bytes.toString('latin1', from, to),
    place: offset - from,
    shown: bytes.toString('latin1', start, Math.min(to, start + shownBytes)),
  }
}

function kindOf(one: Text, other: Text): 'time' | 'path' | 'contents' {
  if (inTime(one) && inTime(other)) return 'time'
  return inPath(one) && inPath(other) ? 'path' : 'contents'
}

function inTime({ run, place }: Text): boolean {
  return [...run.matchAll(times)].some(({ index, 0: match }) => index <= place && place <= index + match.length)
}

/** The word around the byte looks like an absolute path, or a file in a folder. */
function inPath({ run, place }: Text): boolean {
  const from =
    Math.max(...['"', "'", ' ', '=', ':', ',', ';', '(', '<'].map((end) => run.lastIndexOf(end, place - 1))) + 1
  return /^(?:\/|[A-Za-z]:[\\/])[^/\\]*[/\\]/.test(`${run.slice(from)}`) && run.slice(from, place + 1).includes('/')
}

/** Do only the order of lines differ? */
function sameLines(one: Buffer, other: Buffer): boolean {
  if (one.length !== other.length || one.length > textBytesMax || one.includes(0)) return false
  const [before, after] = [linesOf(one), linesOf(other)]
  if (before.length !== after.length || before.length > linesMax) return false
  const counts = new Map<string, number>()
  for (const line of before) counts.set(line, (counts.get(line) ?? 0) + 1)
  for (const line of after) {
    const left = counts.get(line) ?? 0
    if (left === 0) return false
    counts.set(line, left - 1)
  }
  return true
}

/** One more than allowed reveals that there are too many. */
function linesOf(bytes: Buffer): string[] {
  return bytes.toString('latin1').split('\n', linesMax + 1)
}

function isPrintable(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x20 && byte < 0x7f
}

function hexAt(bytes: Buffer, offset: number): string {
  return bytes.toString('hex', offset, offset + hexBytes)
}
