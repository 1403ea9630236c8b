import fs from 'node:fs'
import { crc32 } from 'node:zlib'
import { type Digest, type DigestFunction, digestFunctions, functionByValue } from '../../core/digest.ts'
import { recordBytes } from './record.ts'
import { type Reuse, unknownReuse } from './reuse.ts'
import type { Place } from './shard.ts'

/**
 * The footer of a finished segment lists what it holds, so that a start reads an index instead
 * of all records: the store's snapshot, one part a segment. A damaged or absent footer costs a
 * scan of its segment and nothing else.
 *
 * Entries, then a trailer of u32: magic, entries, where the footer begins, CRC-32 of the
 * entries, CRC-32 of the trailer so far. An entry: u8 kind (0 value, 1 deletion), u8 digest
 * function, u8 what was known of the value's reuse (reuse.ts; zero in older stores), u8 zero, u32
 * offset, u32 length, f64 size, hash. Deletions are of earlier segments' values and come first.
 */
export interface FooterEntry extends Omit<Place, 'segment'> {
  readonly digest: Digest
  readonly reuse: Reuse
}

export interface Footer {
  readonly deletions: readonly Digest[]
  readonly values: readonly FooterEntry[]
  /** Where it begins: the length of the segment without it. */
  readonly offset: number
}

export const trailerBytes = 20
const fixedEntryBytes = 20
const magic = 0x3146426e // 'nBF1'
const trailerChecksumAt = 16

/** What an entry of this function takes. */
export function footerEntryBytes(fn: DigestFunction): number {
  return fixedEntryBytes + digestFunctions[fn].hexLength / 2
}

/** What a value of so many bytes takes of its segment: its record, and its entry in the footer. */
export function bytesInSegment(fn: DigestFunction, length: number): number {
  return recordBytes(fn, length) + footerEntryBytes(fn)
}

export function encodeFooter({ deletions, values, offset }: Footer): Buffer {
  let bytes = trailerBytes
  for (const { fn } of deletions) bytes += footerEntryBytes(fn)
  for (const { digest } of values) bytes += footerEntryBytes(digest.fn)
  const target = Buffer.alloc(bytes)
  let at = 0
  for (const digest of deletions) at = encodeEntry(target, at, 1, { digest, offset: 0, length: 0, reuse: unknownReuse })
  for (const value of values) at = encodeEntry(target, at, 0, value)
  target.writeUInt32LE(magic, at)
  target.writeUInt32LE(deletions.length + values.length, at + 4)
  target.writeUInt32LE(offset, at + 8)
  target.writeUInt32LE(crc32(target.subarray(0, at)), at + 12)
  target.writeUInt32LE(crc32(target.subarray(at, at + trailerChecksumAt)), at + trailerChecksumAt)
  return target
}

/** The footer of a segment's file, or undefined when it has none that is sound. */
export function readFooter(fd: number, fileBytes: number): Footer | undefined {
  const trailer = Buffer.alloc(trailerBytes)
  if (fileBytes < trailerBytes) return undefined
  fs.readSync(fd, trailer, 0, trailerBytes, fileBytes - trailerBytes)
  const offset = trailer.readUInt32LE(8)
  if (trailer.readUInt32LE(0) !== magic || offset > fileBytes - trailerBytes) return undefined
  if (trailer.readUInt32LE(trailerChecksumAt) !== crc32(trailer.subarray(0, trailerChecksumAt))) return undefined
  const entries = Buffer.alloc(fileBytes - trailerBytes - offset)
  if (fs.readSync(fd, entries, 0, entries.length, offset) !== entries.length) return undefined
  if (crc32(entries) !== trailer.readUInt32LE(12)) return undefined
  return { offset, ...decodeEntries(entries) }
}

function encodeEntry(target: Buffer, at: number, kind: number, entry: FooterEntry): number {
  const { digest, offset, length, reuse } = entry
  target[at] = kind
  target[at + 1] = digestFunctions[digest.fn].value
  target[at + 2] = reuse
  target.writeUInt32LE(offset, at + 4)
  target.writeUInt32LE(length, at + 8)
  target.writeDoubleLE(digest.size, at + 12)
  return at + fixedEntryBytes + target.write(digest.hash, at + fixedEntryBytes, 'hex')
}

function decodeEntries(source: Buffer): { deletions: Digest[]; values: FooterEntry[] } {
  const deletions: Digest[] = []
  const values: FooterEntry[] = []
  for (let at = 0; at < source.length; ) {
    const fn = functionByValue.get(source[at + 1] ?? 0)
    if (!fn) break
    const end = at + footerEntryBytes(fn)
    const hash = source.toString('hex', at + fixedEntryBytes, end)
    const digest = { fn, hash, size: source.readDoubleLE(at + 12) }
    if (source[at] === 1) deletions.push(digest)
    else {
      const [offset, length] = [source.readUInt32LE(at + 4), source.readUInt32LE(at + 8)]
      values.push({ digest, offset, length, reuse: source[at + 2] ?? 0 })
    }
    at = end
  }
  return { deletions, values }
}
