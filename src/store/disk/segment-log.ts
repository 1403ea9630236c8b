import fs from 'node:fs'
import { promisify } from 'node:util'
import { type Digest, digestText } from '../../core/digest.ts'
import { Failure, messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Allocate, ReadRange } from '../blobs.ts'
import type { Age } from './age.ts'
import { type Append, createAppender } from './appender.ts'
import { carryOver } from './carry.ts'
import type { DigestIndex } from './digest-index.ts'
import type { Durability } from './durability.ts'
import { diskFailure } from './errors.ts'
import { syncFolder } from './folder.ts'
import { footerEntryBytes, trailerBytes } from './footer.ts'
import { createPause } from './pause.ts'
import { recordBytes, totalBytes } from './record.ts'
import { seal } from './seal.ts'
import { createSegment, type Segment, segmentHeaderBytes } from './segment.ts'
import { createSegmentReader } from './segment-reader.ts'
import type { Place } from './shard.ts'
import type { Space } from './space.ts'
import type { Transfer } from './transfer.ts'

/** Small values in segments: the newest is appended to, the oldest evicted. */
export interface SegmentLog {
  /** Is there a value? Counts as its use. */
  touch(digest: Digest): boolean
  /** A whole value; undefined when it is absent or damaged. Counts as its use. */
  get(digest: Digest, allocate?: Allocate): Promise<Uint8Array | undefined>
  read(digest: Digest, range: ReadRange, allocate: Allocate): Promise<AsyncIterable<Uint8Array> | undefined>
  /** What a value takes on disk in all, to be held in the ledger before `append`. */
  cost(digest: Digest, length: number): number
  /** Stores or replaces a value, and settles what was held for it, or releases it on failure. */
  append(digest: Digest, parts: readonly Uint8Array[]): Promise<void>
  delete(digest: Digest): Promise<void>
  /** Values that it holds. */
  readonly entries: number
  /** Age at which the oldest segment got its last record; undefined when there is none. */
  readonly oldestAt: number | undefined
  /** Evicts the oldest segment, the newest only when it is the last; false when nothing is left. */
  evictOldest(): Promise<boolean>
  close(): Promise<void>
}

export interface SegmentLogOptions {
  readonly folder: string
  /** What was found at start, by number ascending. */
  readonly segments: readonly Segment[]
  readonly index: DigestIndex
  readonly space: Space
  readonly age: Age
  /** Length at which a segment is finished. */
  readonly segmentBytes: number
  readonly durability: Durability
  readonly transfer: Transfer
  readonly log: Log
}

/** Keeps a footer under about 15 MB. */
const segmentRecordsMax = 250_000
/** A segment is finished when it has been the newest for a 32nd of the capacity (age.ts). */
const segmentAgeMax = 128
const unlinkAsync = promisify(fs.unlink)

export function createSegmentLog(options: SegmentLogOptions): SegmentLog {
  const { folder, index, space, age, segmentBytes, durability, transfer, log } = options
  const segments = new Map(options.segments.map((segment) => [segment.number, segment]))
  let newest = options.segments.at(-1)
  let lastNumber = newest?.number ?? 0
  let closed = false
  const reader = createSegmentReader({ transfer, space, damaged })
  for (const { bytesCounted } of options.segments) space.add(bytesCounted)
  const appender = createAppender({ transfer, durability, log, groupBytesMax: segmentBytes, segmentFor, written })

  function segmentFor(bytes: number, records: number): Segment | Promise<Segment> {
    const full =
      !newest ||
      newest.sealing ||
      newest.evicted ||
      (newest.records > 0 &&
        (newest.bytes + bytes > segmentBytes ||
          newest.records + records > segmentRecordsMax ||
          age.now - newest.bornAt > segmentAgeMax))
    if (newest && !full) return newest
    return begin()
  }

  /** Begins a segment, and finishes the one before in the background. */
  function begin(): Segment | Promise<Segment> {
    if (newest && !newest.evicted && !newest.sealing) newest.sealing = finish(newest)
    lastNumber += 1
    const segment = createSegment(folder, lastNumber, age.now)
    segments.set(segment.number, segment)
    newest = segment
    count(segment, segmentHeaderBytes + trailerBytes)
    return durability === 'power' ? syncFolder(folder).then(() => segment) : segment
  }

  function count(segment: Segment, bytes: number): void {
    segment.bytesCounted += bytes
    space.add(bytes)
  }

  function written(record: Append, segment: Segment, offset: number): void {
    const { digest, kind, from, length, bytes } = record
    segment.bytesCounted += cost(digest, length)
    segment.lastAt = age.now
    const place = { segment: segment.number, offset, length }
    if (from) {
      space.add(cost(digest, length))
      if (index.liesAt(digest, from.segment, from.offset)) index.set(digest, place, from.used)
      return
    }
    space.settle(cost(digest, length))
    if (kind === 'value') index.set(digest, place, age.now)
    else {
      index.delete(digest)
      segment.deletions.push(digest)
    }
    // Last: a value must not seem to have been used since it was written.
    age.wrote(bytes)
  }

  function cost(digest: Digest, length: number): number {
    return recordBytes(digest.fn, length) + footerEntryBytes(digest.fn)
  }

  async function append(kind: 'value' | 'deletion', digest: Digest, parts: readonly Uint8Array[]): Promise<void> {
    const length = totalBytes(parts)
    try {
      if (closed) throw new Failure('unavailable', 'the store is closed', { where: folder })
      await appender.append({ kind, digest, parts, length, bytes: recordBytes(digest.fn, length) })
    } catch (error) {
      space.release(cost(digest, length))
      throw diskFailure(error, 'writing to the store', folder)
    }
  }

  async function forget(digest: Digest): Promise<void> {
    if (!appender.idle || index.delete(digest)) await recordDeletion(digest)
  }

  async function finish(segment: Segment): Promise<void> {
    try {
      const bytes = await seal(segment, index, durability)
      // A value that was stored twice has one entry in the footer: less than was counted.
      space.remove(segment.bytesCounted - bytes)
      segment.bytesCounted = bytes
    } catch (error) {
      // It is scanned at the next start instead.
      log.warn('cannot finish a segment', { segment: segment.path, reason: messageOf(error) })
    }
  }

  function damaged(digest: Digest, { segment, offset }: Place): void {
    log.warn('a stored blob is damaged; it is dropped', { digest: digestText(digest), segment, offset })
    if (!index.liesAt(digest, segment, offset)) return
    index.delete(digest)
    // The news must reach the disk too, or the next start would find the blob again; and it must
    // be on its way before the caller knows, or it would be taken for news of what the caller stores next.
    recordDeletion(digest).catch((error: unknown) =>
      log.warn('cannot record that a blob is dropped', { reason: messageOf(error) }),
    )
  }

  function recordDeletion(digest: Digest): Promise<void> {
    space.force(cost(digest, 0))
    return append('deletion', digest, [])
  }

  function located(digest: Digest): { place: Place; segment: Segment } | undefined {
    const place = index.find(digest, age.now)
    const segment = place && segments.get(place.segment)
    return place && segment && { place, segment }
  }

  async function carry(segment: Segment): Promise<void> {
    const bytesMax = segmentBytes / 2
    try {
      await carryOver({ segment, index, transfer, bytesMax, append: (record) => appender.append(record) })
    } catch (error) {
      // A full disk is one reason; it needs the eviction all the more.
      log.warn('cannot carry over what was used lately', { segment: segment.path, reason: messageOf(error) })
    }
  }

  async function evict(segment: Segment): Promise<void> {
    await segment.sealing
    await carry(segment)
    const pause = createPause()
    for (const batch of index.entriesOf(segment.number)) {
      for (const { digest, offset } of batch) if (index.liesAt(digest, segment.number, offset)) index.delete(digest)
      await pause(batch.length)
    }
    await unlinkAsync(segment.path)
    segments.delete(segment.number)
    segment.evicted = true
    space.remove(segment.bytesCounted, segment.readers > 0)
    if (segment.readers === 0) fs.closeSync(segment.fd)
  }

  return {
    touch: (digest) => index.touch(digest, age.now),
    async get(digest, allocate = Buffer.allocUnsafe) {
      const found = located(digest)
      return found && reader.get(digest, found.place, found.segment, allocate)
    },
    async read(digest, range, allocate) {
      const found = located(digest)
      return found && reader.read(digest, found.place, found.segment, range, allocate)
    },
    cost,
    append: (digest, parts) => append('value', digest, parts),
    delete: forget,
    get entries() {
      return index.count
    },
    get oldestAt() {
      for (const segment of segments.values()) if (segment.records > 0) return segment.lastAt
      return undefined
    },
    async evictOldest() {
      const [oldest] = segments.values()
      if (!oldest) return false
      if (oldest === newest) {
        if (oldest.records === 0) return false
        await appender.between(async () => void (await begin()))
      }
      try {
        await evict(oldest)
      } catch (error) {
        throw diskFailure(error, 'evicting from the store', oldest.path)
      }
      return true
    },
    async close() {
      closed = true
      await appender.flushed()
      if (newest && !newest.sealing && newest.records > 0) newest.sealing = finish(newest)
      for (const segment of segments.values()) {
        await segment.sealing
        fs.closeSync(segment.fd)
      }
      segments.clear()
    },
  }
}
