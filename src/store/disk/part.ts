import type { Digest } from '../../core/digest.ts'
import { type Age, createAge } from './age.ts'
import type { Aside } from './aside.ts'
import type { DiskContext } from './context.ts'
import { type Dates, dateByBytes } from './dates.ts'
import { createDigestIndex, type DigestIndex } from './digest-index.ts'
import type { MarksChanged } from './pin-tally.ts'
import type { RecoveredFile } from './recover-large.ts'
import { recoverSegments } from './recover-segments.ts'
import type { Reuse } from './reuse.ts'
import { createReuses, type Reuses } from './reuses.ts'
import { createSegmentLog, type SegmentLog } from './segment-log.ts'
import { createSpace, type Space, type SpaceOptions } from './space.ts'

/** What blobs have of their own, and action results: segments with an index, and a share of the room. */
export interface Part {
  readonly index: DigestIndex
  readonly age: Age
  readonly reuses: Reuses
  readonly space: Space
  readonly log: SegmentLog
  readonly segmentBytes: number
  readonly bytesMax: number
  /** When the large files were used last that were found. */
  readonly files: Dates['files']
  /** The disk is full: evicts something, here or elsewhere in the store; false when nothing is left. */
  relieve(bytes: number): Promise<boolean>
  /** Notes that a value was evicted, to learn from it. @param used age of its last use */
  evicted(digest: Digest, bytes: number, used: number, reuse: Reuse): void
}

export interface PartOptions extends Pick<SpaceOptions, 'evict' | 'refusal'> {
  /** The folder of the segments. */
  readonly folder: string
  readonly aside: Aside
  /** What its files may be long together. */
  readonly bytesMax: number
  /** See OpenSegmentsOptions. */
  readonly apart: boolean
  /** Is told of every change to what invocations hold. */
  readonly marked?: MarksChanged
  /** Recovers large files, once the segments are known to be of this version. */
  readonly recoverFiles?: () => readonly RecoveredFile[]
  /** Under what an eviction is remembered. */
  nameOf(digest: Digest): Digest
}

const segmentsPerStore = 64
const segmentBytesMin = 16 * 1024
/** An offset in a segment is a u32. */
const segmentBytesMax = 1024 * 1024 * 1024

/** Recovers what is in the folder. */
export function openPart(context: DiskContext, options: PartOptions): Part {
  const { io, clock, evictions, spaces, shortened } = context
  const { durability, log } = context.options
  const { folder, aside, bytesMax, apart, evict, refusal, nameOf } = options
  const index = createDigestIndex(options.marked)
  const segmentBytes = segmentBytesFor(bytesMax)
  const segments = recoverSegments({ folder, index, segmentBytes, log, aside })
  const dated = dateByBytes(segments, options.recoverFiles?.() ?? [], bytesMax)
  index.date(dated.segments)
  const age = createAge(bytesMax, dated.now, clock)
  const reuses = createReuses(age, bytesMax, index)
  const headBytes = headBytesFor(segmentBytes)
  const space = createSpace({ bytesMax, headBytes, clock, evict, shortened, ...(refusal && { refusal }) })
  spaces.push(space)
  const relieve = (bytes: number) => relieveStore(space, spaces, bytes)
  const evicted: Part['evicted'] = (digest, bytes, used, reuse) => {
    reuses.evicted(digest, used, reuse)
    evictions.note(nameOf(digest), bytes, age.millisecondsSince(used))
  }
  const segmentLog = createSegmentLog({
    space,
    age,
    clock,
    reuses,
    durability,
    io,
    log,
    folder,
    index,
    segmentBytes,
    apart,
    segments,
    relieve,
    evicted: ({ digest, length, used, reuse }) => evicted(digest, length, used, reuse),
  })
  return { index, age, reuses, space, log: segmentLog, segmentBytes, bytesMax, files: dated.files, relieve, evicted }
}

async function relieveStore(own: Space, spaces: readonly Space[], bytes: number): Promise<boolean> {
  if (await own.relieve(bytes)) return true
  for (const other of spaces) if (other !== own && (await other.relieve(bytes))) return true
  return false
}

function segmentBytesFor(bytesMax: number): number {
  // A tiny store has few, so that eviction does not need all of it.
  const least = Math.min(segmentBytesMin, Math.floor(bytesMax / 8))
  return Math.min(segmentBytesMax, Math.max(least, Math.floor(bytesMax / segmentsPerStore)))
}

/** What is carried over is written before the segment goes from which it comes. */
export function headBytesFor(segmentBytes: number): number {
  return segmentBytes + 512
}
