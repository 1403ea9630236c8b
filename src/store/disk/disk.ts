import { type Clock, systemClock } from '../../core/clock.ts'
import { smallBlobBytesMax } from '../../core/limits.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Blobs } from '../blobs.ts'
import { createEvictions, type Evictions, resultOf } from '../evictions.ts'
import type { Pins } from '../pins.ts'
import type { Results } from '../results.ts'
import { type Age, createAge } from './age.ts'
import { createDiskBlobs } from './blobs.ts'
import { dateByBytes } from './dates.ts'
import { createDigestIndex } from './digest-index.ts'
import type { Durability } from './durability.ts'
import { diskFailure } from './errors.ts'
import { createEviction, keptShare } from './eviction.ts'
import { createFileIo, type FileIo } from './file-io.ts'
import { openStoreFolder, type StoreFolder } from './folder.ts'
import { bytesInSegment } from './footer.ts'
import { largeFileBytes } from './large-file.ts'
import { createLargeFiles } from './large-files.ts'
import { createPinTally, type Markable } from './pin-tally.ts'
import { createPins } from './pins.ts'
import { recoverLarge } from './recover-large.ts'
import { recoverSegments } from './recover-segments.ts'
import { createDiskResults } from './results.ts'
import { createReuses } from './reuses.ts'
import { createSegmentLog, type SegmentLog } from './segment-log.ts'
import { createSpace, type Space } from './space.ts'

export interface DiskOptions {
  /** The store's folder; made when it does not exist. */
  readonly path: string
  /** What all its files may be long together. */
  readonly bytesMax: number
  readonly durability: Durability
  readonly log: Log
  /** Blobs up to this lie in segments, larger ones in files of their own. */
  readonly smallBytesMax?: number
  /**
   * How long an invocation may be silent, in milliseconds, until what it holds may be evicted; absent or 0, nothing is
   * kept for any.
   */
  readonly pinSilenceMs?: number
  readonly clock?: Clock
}

/** Blobs and action results in one folder. Closing either closes both. */
export interface DiskStore {
  readonly blobs: Blobs
  readonly results: Results
  /** What its files are long together, in bytes, without what is in flight. */
  bytesStored(): number
  /** Blobs and results that it holds. */
  entries(): number
  readonly evictions: Evictions
  /** What is kept for builds while they run; absent where nothing is. */
  readonly pins: Pins | undefined
  close(): Promise<void>
}

/** What action results may take of a store, so that neither can push out all of the other. */
const resultsShare = 1 / 16
/** `format`, which is the same whatever the store holds. */
const fixedBytes = 64
const segmentsPerStore = 64
const segmentBytesMin = 16 * 1024
/** An offset in a segment is a u32. */
const segmentBytesMax = 1024 * 1024 * 1024

/** What blobs and results have in common. */
interface Shared {
  readonly io: FileIo
  readonly options: DiskOptions
  readonly clock: Clock
  readonly evictions: Evictions
  /** Where room is made when the disk is full: first where it is missing, then wherever there is some. */
  readonly spaces: Space[]
  shortened(): void
}

/**
 * Opens a store, or begins one. Its bytes are not held against their digests here: put
 * `verified` before it.
 * @throws Failure 'unavailable' while another process has it open, 'precondition' when another
 *   version wrote it, 'invalid' when the folder holds something else
 */
export async function openDisk(options: DiskOptions): Promise<DiskStore> {
  const folder = openStoreFolder(options.path, options.log)
  try {
    const shared = shareFor(options)
    const resultsMax = Math.floor((options.bytesMax - fixedBytes) * resultsShare)
    const blobs = await openBlobs(folder, options.bytesMax - fixedBytes - resultsMax, shared)
    const results = await openResults(folder, resultsMax, shared)
    let closing: Promise<void> | undefined
    const close = () => {
      closing ??= closeAll([blobs.log, results.log]).finally(folder.unlock)
      return closing
    }
    return {
      blobs: createDiskBlobs({ ...blobs, close }),
      results: createDiskResults({ ...results, close }),
      bytesStored: () => blobs.space.bytesStored + results.space.bytesStored,
      entries: () => blobs.log.entries + blobs.large.entries + results.log.entries,
      evictions: shared.evictions,
      pins: blobs.pins,
      close,
    }
  } catch (error) {
    folder.unlock()
    throw diskFailure(error, 'opening the store', options.path)
  }
}

/** A full disk is logged at most once in this time, in milliseconds. */
const shortWarningEachMs = 60 * 60_000

function shareFor(options: DiskOptions): Shared {
  const { path, bytesMax, log, clock = systemClock } = options
  const spaces: Space[] = []
  let warnedAt = Number.NEGATIVE_INFINITY
  return {
    io: createFileIo(),
    options,
    clock,
    evictions: createEvictions(bytesMax, clock, log),
    spaces,
    shortened() {
      if (clock.now() - warnedAt < shortWarningEachMs) return
      warnedAt = clock.now()
      log.warn('the disk is full although the store is within its size limit: values are evicted, and less is stored', {
        path,
        stored_bytes: spaces.reduce((sum, { bytesStored }) => sum + bytesStored, 0),
        size_bytes: bytesMax,
        next: 'Free space on the disk that holds the store, or give it a smaller size.',
      })
    },
  }
}

async function relieve(own: Space, { spaces }: Shared, bytes: number): Promise<boolean> {
  if (await own.relieve(bytes)) return true
  for (const other of spaces) if (other !== own && (await other.relieve(bytes))) return true
  return false
}

async function closeAll(logs: readonly SegmentLog[]): Promise<void> {
  for (const log of logs) await log.close()
}

async function openBlobs(folder: StoreFolder, bytesMax: number, shared: Shared) {
  const { io, options, clock, evictions } = shared
  const { durability, log, smallBytesMax = smallBlobBytesMax, pinSilenceMs: silenceMs = 0 } = options
  const tally = createPinTally()
  const index = createDigestIndex(tally.changed)
  const segmentBytes = segmentBytesFor(bytesMax)
  const segments = recoverSegments({ folder: folder.blobs, index, segmentBytes, log, aside: folder.aside })
  const files = recoverLarge(folder.large, log, folder.aside)
  const dated = dateByBytes(segments, files, bytesMax)
  index.date(dated.segments)
  const age = createAge(bytesMax, dated.now, clock)
  const reuses = createReuses(age, bytesMax, index)
  const space = createSpace({
    bytesMax,
    headBytes: headBytesFor(segmentBytes),
    clock,
    evict: (room, inVain) => evict(room, inVain),
    refusal: (bytes) => (tally.bytes > 0 ? pins?.refusal(bytes) : undefined),
    shortened: shared.shortened,
  })
  shared.spaces.push(space)
  const common = {
    space,
    age,
    reuses,
    durability,
    io,
    log,
    relieve: (bytes: number) => relieve(space, shared, bytes),
  }
  const segmentLog = createSegmentLog({
    ...common,
    folder: folder.blobs,
    index,
    segmentBytes,
    apart: true,
    segments: segments.map(({ segment }) => segment),
    evicted({ digest, length, used, reuse }) {
      reuses.evicted(digest, used, reuse)
      evictions.note(digest, length, age.millisecondsSince(used))
    },
  })
  const large = createLargeFiles({
    ...common,
    folder: folder.large,
    incoming: folder.incoming,
    found: dated.files,
    marked: tally.changed,
    evicted({ digest, bytes, used, reuse }) {
      reuses.evicted(digest, used, reuse)
      evictions.note(digest, bytes, age.millisecondsSince(used))
    },
  })
  const pins =
    silenceMs === 0
      ? undefined
      : createPins({
          clock,
          tally,
          silenceMs,
          bytesMax: (bytesMax - headBytesFor(segmentBytes)) * keptShare,
          placeOf: (digest): Markable => (digest.size <= smallBytesMax ? segmentLog : large),
          places: [segmentLog, large],
          cost: ({ fn, size }) => (size <= smallBytesMax ? bytesInSegment(fn, size) : largeFileBytes(size)),
        })
  const evict = createEviction({
    index,
    age,
    reuses,
    log: segmentLog,
    large,
    async pinnedBytes() {
      await pins?.expire()
      return tally.bytes
    },
    segmentBytes,
    bytesMax,
    order: 'least kept',
  })
  await space.hold(0)
  return { log: segmentLog, large, space, pins, smallBytesMax }
}

async function openResults(folder: StoreFolder, bytesMax: number, shared: Shared) {
  const { io, options, clock, evictions } = shared
  const { durability, log } = options
  const index = createDigestIndex()
  const segmentBytes = segmentBytesFor(bytesMax)
  const segments = recoverSegments({ folder: folder.results, index, segmentBytes, log, aside: folder.aside })
  const dated = dateByBytes(segments, [], bytesMax)
  index.date(dated.segments)
  const age: Age = createAge(bytesMax, dated.now, clock)
  const reuses = createReuses(age, bytesMax, index)
  const space = createSpace({
    bytesMax,
    headBytes: headBytesFor(segmentBytes),
    clock,
    evict: (room, inVain) => evict(room, inVain),
    shortened: shared.shortened,
  })
  shared.spaces.push(space)
  const segmentLog: SegmentLog = createSegmentLog({
    space,
    age,
    reuses,
    durability,
    io,
    log,
    folder: folder.results,
    index,
    segmentBytes,
    apart: false,
    segments: segments.map(({ segment }) => segment),
    relieve: (bytes) => relieve(space, shared, bytes),
    evicted({ digest, length, used, reuse }) {
      reuses.evicted(digest, used, reuse)
      evictions.note(resultOf(digest), length, age.millisecondsSince(used))
    },
  })
  const evict = createEviction({ index, age, reuses, log: segmentLog, segmentBytes, bytesMax, order: 'oldest' })
  await space.hold(0)
  return { log: segmentLog, space }
}

function segmentBytesFor(bytesMax: number): number {
  // A tiny store has few, so that eviction does not need all of it.
  const least = Math.min(segmentBytesMin, Math.floor(bytesMax / 8))
  return Math.min(segmentBytesMax, Math.max(least, Math.floor(bytesMax / segmentsPerStore)))
}

/** What is carried over is written before the segment goes from which it comes. */
function headBytesFor(segmentBytes: number): number {
  return segmentBytes + 512
}
