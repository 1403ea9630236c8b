import { inflateRawSync } from 'node:zlib'
import { charge, noteExpanded, type Open, type Part, partsMax, type Room, timeText } from './part.ts'

const endSignature = 0x06054b50
const centralSignature = 0x02014b50
const localSignature = 0x04034b50
const endBytes = 22
const commentBytesMax = 0xffff
const methods: Readonly<Record<number, string>> = { 0: 'stored', 8: 'deflate' }

/** A zip file by its central directory (APPNOTE.TXT 4.3.12); for zip64 only the 32-bit fields. */
export const openZip: Open = (bytes, room) => {
  if (bytes.length < endBytes || bytes.readUInt32LE(0) !== localSignature) return undefined
  const end = endOf(bytes)
  if (end === undefined) return undefined
  const parts: Part[] = []
  let at = bytes.readUInt32LE(end + 16)
  for (let left = bytes.readUInt16LE(end + 10); left > 0 && parts.length < partsMax; left -= 1) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== centralSignature) return undefined
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field))
    const next = at + 46 + (nameBytes ?? 0)
    const extra = bytes.subarray(next, next + (extraBytes ?? 0))
    const content = contentOf(bytes, at, room)
    if (!content) return undefined
    parts.push({
      name: bytes.toString('utf8', at + 46, next),
      bytes: content,
      facts: {
        time: timeOf(bytes, at, extra),
        mode: (bytes.readUInt32LE(at + 38) >>> 16).toString(8),
        compression: methods[bytes.readUInt16LE(at + 10)] ?? 'unknown',
      },
    })
    at = next + (extraBytes ?? 0) + (commentBytes ?? 0)
  }
  return { format: 'zip', parts }
}

function endOf(bytes: Buffer): number | undefined {
  const first = Math.max(0, bytes.length - endBytes - commentBytesMax)
  for (let at = bytes.length - endBytes; at >= first; at -= 1) if (bytes.readUInt32LE(at) === endSignature) return at
  return undefined
}

/** Expanded if possible, otherwise as stored; undefined if it exceeds the budget. */
function contentOf(bytes: Buffer, central: number, room: Room): Uint8Array | undefined {
  const [packed, size, local] = [20, 24, 42].map((field) => bytes.readUInt32LE(central + field))
  if (packed === undefined || size === undefined || local === undefined || local + 30 > bytes.length) return undefined
  const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
  const stored = bytes.subarray(start, start + packed)
  if (bytes.readUInt16LE(central + 10) !== 8) return stored
  if (size > room.bytesLeft || !charge(room, stored.length)) return undefined
  room.bytesLeft -= size
  try {
    const content = inflateRawSync(stored, { maxOutputLength: Math.max(1, size) })
    noteExpanded(room, content.length)
    return content
  } catch (error) {
    // Damaged content is compared as stored.
    if (error instanceof Error) return stored
    throw error
  }
}

/** The MS-DOS time, in an unknown time zone, and the UNIX one (extra field 0x5455) if there is one. */
function timeOf(bytes: Buffer, central: number, extra: Buffer): string {
  const [time, date] = [bytes.readUInt16LE(central + 12), bytes.readUInt16LE(central + 14)]
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${1980 + (date >> 9)}-${two((date >> 5) & 15)}-${two(date & 31)}`
  const dos = `${day} ${two(time >> 11)}:${two((time >> 5) & 63)}:${two((time & 31) * 2)}`
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2))
    if (extra.readUInt16LE(at) === 0x5455 && at + 9 <= extra.length && ((extra[at + 4] ?? 0) & 1) === 1)
      return `${dos}, ${timeText(extra.readUInt32LE(at + 5))}`
  return dos
}
