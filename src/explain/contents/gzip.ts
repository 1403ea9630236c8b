import { gunzipSync } from 'node:zlib'
import { nameBytesMax, noteExpanded, type Open, timeText } from './part.ts'

/** The uncompressed content, with the time and name from its header (RFC 1952, 2.3). */
export const openGzip: Open = (bytes, room) => {
  if (bytes.length < 18 || bytes[0] !== 0x1f || bytes[1] !== 0x8b || room.bytesLeft === 0) return undefined
  try {
    const content = gunzipSync(bytes, { maxOutputLength: room.bytesLeft })
    room.bytesLeft -= content.length
    noteExpanded(room, content.length)
    const named = ((bytes[3] ?? 0) & 0x0c) === 0x08
    const name = named ? nameIn(bytes.subarray(10, 10 + nameBytesMax)) : ''
    const facts = { time: timeText(bytes.readUInt32LE(4)), ...(name !== '' && { kind: `named ${name}` }) }
    return { format: 'gzip', parts: [{ name: 'contents', bytes: content, facts }] }
  } catch (error) {
    // Damaged, or too large: treat it as plain bytes.
    if (error instanceof Error) return undefined
    throw error
  }
}

function nameIn(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end)
}
