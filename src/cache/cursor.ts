/**
 * Reads protobuf's wire format where the hot messages are (codec-*.ts): no object for a
 * nested message, no copy of a blob. It accepts and refuses what protobufjs does.
 */
export interface Cursor {
  readonly bytes: Buffer
  at: number
  /** Where the message that is being read ends. */
  end: number
}

/** The bytes are not a protobuf message; decode.ts makes an INVALID_ARGUMENT of it. */
export class MalformedMessage extends Error {}

const wireVarint = 0
export const wireBytes = 2
const wireFixed64 = 1
const wireGroup = 3
const wireGroupEnd = 4
const wireFixed32 = 5
const groupDepthMax = 100

/** A cursor over a whole message. */
export function cursorOf(bytes: Buffer): Cursor {
  return { bytes, at: 0, end: bytes.length }
}

/** The next field's tag: its number times 8, plus its wire type. */
export function readTag(cursor: Cursor): number {
  const byte = cursor.at < cursor.end ? (cursor.bytes[cursor.at] ?? 0) : truncated()
  if (byte < 0x80) {
    cursor.at += 1
    return byte
  }
  const tag = readVarint(cursor)
  if (tag < 0 || tag > 0xffffffff) throw new MalformedMessage('invalid tag')
  return tag
}

/** A 64-bit varint as a signed number; beyond 2^53 it is inexact, so check it. */
export function readVarint(cursor: Cursor): number {
  const { bytes, end } = cursor
  let at = cursor.at
  let low = 0
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = at < end ? (bytes[at] ?? 0) : truncated()
    at += 1
    low |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      cursor.at = at
      return low
    }
  }
  cursor.at = at
  return readLongVarint(cursor, low)
}

/** Goes on after 28 bits. */
function readLongVarint(cursor: Cursor, low: number): number {
  const { bytes, end } = cursor
  let high = 0
  let lowWord = low
  for (let i = 0; i < 6; i += 1) {
    const byte = cursor.at < end ? (bytes[cursor.at] ?? 0) : truncated()
    cursor.at += 1
    if (i === 0) {
      lowWord |= (byte & 0x0f) << 28
      high = (byte & 0x7f) >> 4
    } else high |= (byte & 0x7f) << (i * 7 - 4)
    if (byte < 0x80) return (high | 0) * 2 ** 32 + (lowWord >>> 0)
  }
  throw new MalformedMessage('invalid varint')
}

/** The length of the next bytes, checked to lie within the message. */
export function readLength(cursor: Cursor): number {
  const length = readVarint(cursor)
  if (length < 0 || length > cursor.end - cursor.at) truncated()
  return length
}

/** The next bytes; a view of the message, not a copy. */
export function readBytes(cursor: Cursor): Buffer {
  const length = readLength(cursor)
  const start = cursor.at
  cursor.at = start + length
  return cursor.bytes.subarray(start, cursor.at)
}

/** The next bytes as text; what is not UTF-8 becomes U+FFFD. */
export function readText(cursor: Cursor): string {
  const length = readLength(cursor)
  const start = cursor.at
  cursor.at = start + length
  return cursor.bytes.toString('utf8', start, cursor.at)
}

/** Passes over a field that is not known. */
export function skipField(cursor: Cursor, tag: number, depth = 0): void {
  if (tag >>> 3 === 0) throw new MalformedMessage('field number 0')
  if (depth > groupDepthMax) throw new MalformedMessage('groups are nested too deep')
  switch (tag & 7) {
    case wireVarint:
      readVarint(cursor)
      break
    case wireFixed64:
      skipBytes(cursor, 8)
      break
    case wireBytes:
      skipBytes(cursor, readLength(cursor))
      break
    case wireFixed32:
      skipBytes(cursor, 4)
      break
    case wireGroup:
      skipGroup(cursor, tag >>> 3, depth)
      break
    default:
      throw new MalformedMessage('invalid wire type')
  }
}

function skipGroup(cursor: Cursor, field: number, depth: number): void {
  for (;;) {
    const tag = readTag(cursor)
    if ((tag & 7) !== wireGroupEnd) skipField(cursor, tag, depth + 1)
    else if (tag >>> 3 === field) return
    else throw new MalformedMessage('a group ends that never began')
  }
}

function skipBytes(cursor: Cursor, length: number): void {
  if (length > cursor.end - cursor.at) truncated()
  cursor.at += length
}

function truncated(): never {
  throw new MalformedMessage('the message is cut off')
}
