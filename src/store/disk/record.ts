import { crc32 } from 'node:zlib'
import { type Digest, type DigestFunction, digestFunctions, functionByValue } from '../../core/digest.ts'
import { chunkBytesMax } from '../../core/limits.ts'
import { chunkCount, chunkIsSound, createChecksummer } from './checksums.ts'
import type { Reuse } from './reuse.ts'

/**
 * A record of a segment, little-endian:
 *
 *      0  u32  magic
 *      4  u8   kind, u8 digest function (the API's value), u8 bytes of the hash,
 *              u8 what was known of the value's reuse when it was written (reuse.ts; zero in older stores)
 *      8  u32  length of the value in bytes
 *     12  f64  size in the digest
 *     20  u32  CRC-32 of what stands before and of what follows up to the value
 *     24       the hash, then a u32 CRC-32 for each chunk of the value, then the value
 *
 * The header has a checksum of its own, so that a damaged value does not hide the records after it.
 */
export interface RecordHeader {
  readonly kind: RecordKind
  readonly digest: Digest
  /** Bytes of the value. */
  readonly length: number
  readonly sums: Uint32Array
  readonly headerBytes: number
  readonly reuse: Reuse
}

/** A value, or a note that the digest's earlier value is gone. */
export type RecordKind = 'value' | 'deletion'

const fixedHeaderBytes = 24
/** The longest header of a value up to this length. */
export const headerBytesMax = (length: number) => fixedHeaderBytes + 64 + chunkCount(length) * 4
/** Values longer than this are not records: a damaged length is noticed before memory is taken for it. */
export const valueBytesMax = 64 * chunkBytesMax

const magic = 0x3152426e // 'nBR1'
const reuseAt = 7
const checksumAt = 20
const kinds: readonly RecordKind[] = ['value', 'deletion']

export function headerBytes(fn: DigestFunction, length: number): number {
  return fixedHeaderBytes + digestFunctions[fn].hexLength / 2 + chunkCount(length) * 4
}

/** What the record of a value takes more than that of an empty one. */
export function contentBytes(length: number): number {
  return chunkCount(length) * 4 + length
}

export function recordBytes(fn: DigestFunction, length: number): number {
  return headerBytes(fn, length) + length
}

/**
 * Writes the header of a record whose value is these parts.
 * @returns the offset after it
 */
export function encodeHeader(
  target: Buffer,
  at: number,
  kind: RecordKind,
  digest: Digest,
  parts: readonly Uint8Array[],
  reuse: Reuse,
): number {
  const length = totalBytes(parts)
  const hashBytes = digestFunctions[digest.fn].hexLength / 2
  target.writeUInt32LE(magic, at)
  target[at + 4] = kinds.indexOf(kind)
  target[at + 5] = digestFunctions[digest.fn].value
  target[at + 6] = hashBytes
  target[at + reuseAt] = reuse
  target.writeUInt32LE(length, at + 8)
  target.writeDoubleLE(digest.size, at + 12)
  target.write(digest.hash, at + fixedHeaderBytes, hashBytes, 'hex')
  const end = writeSums(target, at + fixedHeaderBytes + hashBytes, parts, length)
  target.writeUInt32LE(headerChecksum(target, at, end), at + checksumAt)
  return end
}

function writeSums(target: Buffer, at: number, parts: readonly Uint8Array[], length: number): number {
  const [only] = parts
  if (parts.length === 1 && only && length > 0 && length <= chunkBytesMax) return target.writeUInt32LE(crc32(only), at)
  const checksummer = createChecksummer(length)
  for (const part of parts) checksummer.update(part)
  let end = at
  for (const sum of checksummer.finish()) end = target.writeUInt32LE(sum, end)
  return end
}

/** The header that begins there, or undefined when the bytes are none, damaged, or too few. */
export function decodeHeader(source: Buffer, at: number): RecordHeader | undefined {
  if (source.length - at < fixedHeaderBytes || source.readUInt32LE(at) !== magic) return undefined
  const kind = kinds[source[at + 4] ?? kinds.length]
  const fn = functionByValue.get(source[at + 5] ?? 0)
  const length = source.readUInt32LE(at + 8)
  if (!kind || !fn || length > valueBytesMax) return undefined
  const hashEnd = at + fixedHeaderBytes + digestFunctions[fn].hexLength / 2
  const end = at + headerBytes(fn, length)
  if (end > source.length || source.readUInt32LE(at + checksumAt) !== headerChecksum(source, at, end)) return undefined
  const sums = new Uint32Array(chunkCount(length))
  for (let chunk = 0; chunk < sums.length; chunk += 1) sums[chunk] = source.readUInt32LE(hashEnd + chunk * 4)
  const hash = source.toString('hex', at + fixedHeaderBytes, hashEnd)
  const digest = { fn, hash, size: source.readDoubleLE(at + 12) }
  return { kind, digest, length, sums, headerBytes: end - at, reuse: source[at + reuseAt] ?? 0 }
}

/** Updates in a valid record what is known of its value's reuse. */
export function rewriteReuse(record: Buffer, { headerBytes: end }: RecordHeader, reuse: Reuse): void {
  record[reuseAt] = reuse
  record.writeUInt32LE(headerChecksum(record, 0, end), checksumAt)
}

/** Is the value, whole, what its checksums were made of? */
export function valueIsSound(value: Uint8Array, sums: Uint32Array): boolean {
  for (let chunk = 0; chunk < sums.length; chunk += 1) {
    const bytes = value.subarray(chunk * chunkBytesMax, (chunk + 1) * chunkBytesMax)
    if (!chunkIsSound(bytes, sums[chunk] ?? 0)) return false
  }
  return true
}

export function totalBytes(parts: readonly Uint8Array[]): number {
  let bytes = 0
  for (const part of parts) bytes += part.byteLength
  return bytes
}

function headerChecksum(bytes: Buffer, at: number, end: number): number {
  return crc32(bytes.subarray(at + fixedHeaderBytes, end), crc32(bytes.subarray(at, at + checksumAt)))
}
