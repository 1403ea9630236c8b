import fs from 'node:fs'
import { type Digest, digestText } from '../../core/digest.ts'
import { errnoOf } from '../../core/failure.ts'
import { chunkBytesMax } from '../../core/limits.ts'
import type { Allocate, ReadRange } from '../blobs.ts'
import { diskFailure } from './errors.ts'
import type { FileIo } from './file-io.ts'
import { type CheckedValue, checkedPieces, slices } from './pieces.ts'
import { createReadAhead } from './read-ahead.ts'
import { decodeHeader, headerBytes, type RecordHeader, recordBytes, valueIsSound } from './record.ts'
import type { Segment } from './segment.ts'
import type { Place } from './shard.ts'
import type { Space } from './space.ts'

/** Reads values out of segments, each byte held against its checksum before it is given. */
export interface SegmentReader {
  /** A whole value; undefined when it is damaged. */
  get(digest: Digest, place: Place, segment: Segment, allocate: Allocate): Promise<Uint8Array | undefined>
  read(
    digest: Digest,
    place: Place,
    segment: Segment,
    range: ReadRange,
    allocate: Allocate,
  ): Promise<AsyncIterable<Uint8Array> | undefined>
}

export interface SegmentReaderOptions {
  readonly io: FileIo
  readonly space: Space
  /** A record is not what it should be. */
  damaged(digest: Digest, place: Place): void
}

export function createSegmentReader({ io, space, damaged }: SegmentReaderOptions): SegmentReader {
  const readAhead = createReadAhead(io)

  async function readHeader(digest: Digest, place: Place, segment: Segment): Promise<RecordHeader | undefined> {
    const bytes = Buffer.allocUnsafe(headerBytes(digest.fn, place.length))
    const read = await io.read(segment.fd, bytes, place.offset)
    const header = read === bytes.length ? decodeHeader(bytes, 0) : undefined
    return header && isOf(header, digest, place) ? header : undefined
  }

  /** Holds the segment's file until it is released. */
  function checkedValue(digest: Digest, place: Place, segment: Segment, header: RecordHeader): CheckedValue {
    segment.readers += 1
    return {
      fd: segment.fd,
      base: place.offset + header.headerBytes,
      length: place.length,
      sums: header.sums,
      name: digestText(digest),
      release: () => letGo(segment),
      damaged: () => damaged(digest, place),
    }
  }

  async function whileRead<T>(segment: Segment, reading: Promise<T>): Promise<T> {
    segment.readers += 1
    return reading.finally(() => letGo(segment))
  }

  function letGo(segment: Segment): void {
    segment.readers -= 1
    if (!segment.evicted || segment.readers > 0) return
    space.release(segment.bytesCounted)
    fs.closeSync(segment.fd)
  }

  /** A medium that cannot give a blob back has lost it. */
  function unreadable(error: unknown, digest: Digest, place: Place, segment: Segment): undefined {
    if (errnoOf(error) !== 'EIO') throw diskFailure(error, 'reading from the store', segment.path)
    damaged(digest, place)
    return undefined
  }

  async function get(
    digest: Digest,
    place: Place,
    segment: Segment,
    allocate: Allocate,
  ): Promise<Uint8Array | undefined> {
    try {
      const record = allocate(recordBytes(digest.fn, place.length))
      let read = record.length
      if (!readAhead.read(segment, place.offset, record)) {
        // Most often it is a number, and nothing is waited for.
        const reading = io.read(segment.fd, record, place.offset)
        read = typeof reading === 'number' ? reading : await whileRead(segment, reading)
      }
      const value = read < record.length ? undefined : valueIn(record, digest, place)
      if (!value) damaged(digest, place)
      return value
    } catch (error) {
      return unreadable(error, digest, place, segment)
    }
  }

  return {
    get,
    async read(digest, place, segment, range, allocate) {
      if (place.length <= chunkBytesMax) {
        const value = await get(digest, place, segment, allocate)
        return value && slices(value, range)
      }
      segment.readers += 1
      try {
        const header = await readHeader(digest, place, segment)
        if (header) return await checkedPieces(checkedValue(digest, place, segment, header), range, io, allocate)
        damaged(digest, place)
        return undefined
      } catch (error) {
        return unreadable(error, digest, place, segment)
      } finally {
        letGo(segment)
      }
    },
  }
}

/** @returns undefined when the record is damaged, or another's */
function valueIn(record: Buffer, digest: Digest, place: Place): Uint8Array | undefined {
  const header = decodeHeader(record, 0)
  if (!header || !isOf(header, digest, place)) return undefined
  const value = record.subarray(header.headerBytes)
  return valueIsSound(value, header.sums) ? value : undefined
}

function isOf({ digest, length }: RecordHeader, wanted: Digest, place: Place): boolean {
  return digest.hash === wanted.hash && digest.size === wanted.size && length === place.length
}
