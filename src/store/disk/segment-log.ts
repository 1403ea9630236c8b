import fs from 'node:fs'
import type { Clock } from '../../core/clock.ts'
import { type Digest, type DigestFunction, digestText } from '../../core/digest.ts'
import { messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Allocate, ReadRange, WholeBlob } from '../blobs.ts'
import type { Age } from './age.ts'
import type { DigestIndex } from './digest-index.ts'
import type { Durability } from './durability.ts'
import type { FileIo } from './file-io.ts'
import { bytesInSegment } from './footer.ts'
import type { IndexEntry } from './index-entries.ts'
import { createOpenSegments } from './open-segments.ts'
import type { Markable } from './pin-tally.ts'
import { createRecordWriter } from './record-writer.ts'
import type { Reuses } from './reuses.ts'
import { seal } from './seal.ts'
import type { Segment } from './segment.ts'
import { createSegmentEvictor, type SegmentEvictor } from './segment-evictor.ts'
import { createSegmentReader } from './segment-reader.ts'
import type { Place } from './shard.ts'
import type { Space } from './space.ts'

/** Small values in segments: new ones are appended, segments evicted. */
export interface SegmentLog extends SegmentEvictor, Markable {
  /** Is there a value? Counts as its use. */
  touch(digest: Digest): boolean
  /** The digest with this hash, whatever its size, that was used last. Does not count as a use. */
  locate(fn: DigestFunction, hash: string): Digest | undefined
  /** A whole value; undefined when it is absent or damaged. Counts as its use. */
  get(digest: Digest, allocate?: Allocate): Promise<Uint8Array | undefined>
  read(digest: Digest, range: ReadRange, allocate: Allocate): Promise<AsyncIterable<Uint8Array> | undefined>
  /** What a value takes on disk in all, to be held in the ledger before `append`. */
  cost(digest: Digest, length: number): number
  /** Stores or replaces a value, and settles what was held for it, or releases it on failure. */
  append(digest: Digest, parts: readonly Uint8Array[]): Promise<void>
  /**
   * Stores many values at once, for all of which room is held. When it fails some may be stored; what was held for
   * the others is released. It evicts nothing for a full disk: `append` does.
   */
  appendAll(values: readonly WholeBlob[]): Promise<void>
  delete(digest: Digest): Promise<void>
  /** Values that it holds. */
  readonly entries: number
  /** All, by number ascending. */
  readonly segments: Iterable<Segment>
  /** Those that can be evicted, by number ascending; what is written to only where there is no other. */
  evictable(): readonly Segment[]
  close(): Promise<void>
}

export interface SegmentLogOptions {
  readonly folder: string
  /** What was found at start, by number ascending. */
  readonly segments: readonly Segment[]
  readonly index: DigestIndex
  readonly space: Space
  readonly age: Age
  readonly clock: Clock
  readonly reuses: Reuses
  /** Length at which a segment is finished. */
  readonly segmentBytes: number
  /** See OpenSegmentsOptions. */
  readonly apart: boolean
  readonly durability: Durability
  readonly io: FileIo
  readonly log: Log
  /** The disk is full: evicts something; false when nothing is left. */
  relieve(bytes: number): Promise<boolean>
  /** A value was evicted. */
  evicted(entry: IndexEntry): void
}

const absent = Promise.resolve(undefined)

export function createSegmentLog(options: SegmentLogOptions): SegmentLog {
  const { folder, index, space, age, clock, reuses, segmentBytes, apart, durability, io, log } = options
  const reader = createSegmentReader({ io, space, damaged })
  for (const { bytesCounted } of options.segments) space.add(bytesCounted)
  const segments = createOpenSegments({
    folder,
    found: options.segments,
    space,
    age,
    clock,
    segmentBytes,
    durability,
    apart,
    finish(segment) {
      segment.sealing = finish(segment)
    },
  })
  const writer = createRecordWriter({ ...options, segmentFor: segments.segmentFor })

  async function forget(digest: Digest): Promise<void> {
    if (!writer.appender.idle || index.delete(digest)) await writer.appendDeletion(digest)
  }

  async function finish(segment: Segment): Promise<void> {
    try {
      const bytes = await seal(segment, index, durability)
      // A value that was stored twice has one entry in the footer: less than was counted.
      space.remove(segment.bytesCounted - bytes)
      segment.bytesCounted = bytes
    } catch (error) {
      // It is scanned at the next start instead, or finished when the store is closed.
      segment.sealing = undefined
      log.info('cannot finish a segment', { segment: segment.path, reason: messageOf(error) })
    }
  }

  function damaged(digest: Digest, { segment, offset }: Place): void {
    log.warn('a stored blob is damaged; it is dropped', { digest: digestText(digest), segment, offset })
    if (!index.liesAt(digest, segment, offset)) return
    index.delete(digest)
    // The deletion must reach the disk too, or the next start would find the blob again. It must be on its way
    // before the caller knows, or it would apply to what the caller stores next.
    writer
      .appendDeletion(digest)
      .catch((error: unknown) => log.warn('cannot record that a blob is dropped', { reason: messageOf(error) }))
  }

  function located(digest: Digest): { place: Place; segment: Segment } | undefined {
    const place = index.find(digest, age.now, reuses.again)
    const segment = place && segments.all.get(place.segment)
    return place && segment && { place, segment }
  }

  return {
    touch: (digest) => index.touch(digest, age.now, reuses.again),
    pin: (digest, bits) => index.pin(digest, bits, age.now, reuses.again),
    unpin: index.unpin,
    unpinAll: index.unpinAll,
    locate: (fn, hash) => index.locate(fn, hash),
    get(digest, allocate = Buffer.allocUnsafe) {
      const found = located(digest)
      return found ? reader.get(digest, found.place, found.segment, allocate) : absent
    },
    async read(digest, range, allocate) {
      const found = located(digest)
      return found && reader.read(digest, found.place, found.segment, range, allocate)
    },
    cost: ({ fn }, length) => bytesInSegment(fn, length),
    append: writer.append,
    appendAll: writer.appendAll,
    delete: forget,
    get entries() {
      return index.count
    },
    get segments() {
      return segments.all.values()
    },
    evictable() {
      const all = [...segments.all.values()].filter(({ records }) => records > 0)
      const finished = all.filter((segment) => !segments.isOpen(segment))
      return finished.length > 0 ? finished : all
    },
    ...createSegmentEvictor({ index, space, io, log, segments, appender: writer.appender, evicted: options.evicted }),
    async close() {
      await writer.close()
      segments.closeAll()
      for (const segment of segments.all.values()) {
        await segment.sealing
        if (!segment.sealing && segment.records > 0) await finish(segment)
        fs.closeSync(segment.fd)
        segments.remove(segment)
      }
    },
  }
}
