import type { Digest } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import type { WholeBlob } from '../blobs.ts'
import type { Age } from './age.ts'
import type { Append } from './append.ts'
import { type Appender, createAppender } from './appender.ts'
import type { DigestIndex } from './digest-index.ts'
import { diskFailure } from './errors.ts'
import { bytesInSegment } from './footer.ts'
import { withDiskRoom } from './full-disk.ts'
import type { GroupWriterOptions } from './group-writer.ts'
import { type RecordKind, recordBytes, totalBytes } from './record.ts'
import { unknownReuse } from './reuse.ts'
import type { Reuses } from './reuses.ts'
import type { Segment } from './segment.ts'
import type { Space } from './space.ts'

/** Writes the records of a log, and keeps index, ledger and age in step with what is on disk. */
export interface RecordWriter {
  readonly appender: Appender
  /** Stores or replaces a value, and settles what was held for it, or releases it on failure. */
  append(digest: Digest, parts: readonly Uint8Array[]): Promise<void>
  /**
   * Stores many values at once, for all of which room is held. When it fails, some may be stored; what was held for
   * the others is released. Unlike `append` it evicts nothing when the disk is full.
   */
  appendAll(values: readonly WholeBlob[]): Promise<void>
  /** Records that a digest's value is gone, whether or not there is room. On its way when this returns. */
  appendDeletion(digest: Digest): Promise<void>
  /** Writes what is under way; everything after that is refused. */
  close(): Promise<void>
}

export interface RecordWriterOptions extends Pick<GroupWriterOptions, 'io' | 'durability' | 'log' | 'segmentFor'> {
  readonly folder: string
  readonly index: DigestIndex
  readonly space: Space
  readonly age: Age
  readonly reuses: Reuses
  /** Length at which a segment is finished. */
  readonly segmentBytes: number
  /** The disk is full: evicts something; false when nothing is left. */
  relieve(bytes: number): Promise<boolean>
}

export function createRecordWriter(options: RecordWriterOptions): RecordWriter {
  const { folder, index, space, age, reuses, segmentBytes, io, durability, log, segmentFor } = options
  let closed = false
  const appender = createAppender({
    io,
    durability,
    log,
    groupBytesMax: segmentBytes,
    segmentFor,
    isCurrent: ({ kind, digest, from }) =>
      kind === 'deletion' ? !index.has(digest) : from !== undefined && index.liesAt(digest, from.segment, from.offset),
    written,
  })

  function written(record: Append, segment: Segment, offset: number): void {
    const { digest, kind, from, length, bytes, reuse } = record
    segment.bytesCounted += bytesInSegment(digest.fn, length)
    const place = { segment: segment.number, offset, length }
    if (from) {
      space.add(bytesInSegment(digest.fn, length))
      if (kind === 'deletion') segment.deletions.push(digest)
      else index.move(digest, from, place)
      return
    }
    space.settle(bytesInSegment(digest.fn, length))
    if (kind === 'value') {
      index.set(digest, place, age.now, reuse)
      reuses.stored(digest, length)
    } else {
      index.delete(digest)
      segment.deletions.push(digest)
    }
    age.wrote(bytes)
  }

  function recordOf(kind: RecordKind, digest: Digest, parts: readonly Uint8Array[]): Append {
    const length = totalBytes(parts)
    const reuse = kind === 'value' ? reuses.remembered(digest) : unknownReuse
    return { kind, digest, parts, length, bytes: recordBytes(digest.fn, length), reuse }
  }

  /** Writes records; what is held for them is released when they do not get to the disk. */
  async function write(bytesHeld: number, work: () => Promise<void>): Promise<void> {
    try {
      if (closed) throw new Failure('unavailable', 'the store is closed', { where: folder })
      await work()
    } catch (error) {
      space.release(bytesHeld)
      throw diskFailure(error, 'writing to the store', folder)
    }
  }

  function append(kind: RecordKind, digest: Digest, parts: readonly Uint8Array[]): Promise<void> {
    const record = recordOf(kind, digest, parts)
    return write(bytesInSegment(digest.fn, record.length), () =>
      withDiskRoom(
        () => appender.append(record),
        () => options.relieve(record.bytes),
      ),
    )
  }

  async function appendAll(values: readonly WholeBlob[]): Promise<void> {
    const held = new Map<Promise<void>, number>()
    for (const { digest, bytes } of values) {
      // Records that are written together share a promise.
      const writing = closed ? settled : appender.append(recordOf('value', digest, [bytes]))
      held.set(writing, (held.get(writing) ?? 0) + bytesInSegment(digest.fn, bytes.byteLength))
    }
    const outcomes = await Promise.allSettled(Array.from(held, ([writing, bytes]) => write(bytes, () => writing)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  return {
    appender,
    append: (digest, parts) => append('value', digest, parts),
    appendAll,
    appendDeletion(digest) {
      space.force(bytesInSegment(digest.fn, 0))
      return append('deletion', digest, [])
    },
    close() {
      closed = true
      return appender.flushed()
    },
  }
}

/** In place of a write that is not begun. */
const settled = Promise.resolve()
