import { smallBlobBytesMax } from '../../core/limits.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Blobs } from '../blobs.ts'
import type { Results } from '../results.ts'
import { type Age, createAge } from './age.ts'
import { createDiskBlobs } from './blobs.ts'
import { createDigestIndex } from './digest-index.ts'
import type { Durability } from './durability.ts'
import { diskFailure } from './errors.ts'
import { openStoreFolder, type StoreFolder } from './folder.ts'
import { createLargeFiles } from './large-files.ts'
import { recoverLarge } from './recover-large.ts'
import { recoverSegments } from './recover-segments.ts'
import { createDiskResults } from './results.ts'
import { createSegmentLog, type SegmentLog } from './segment-log.ts'
import { createSpace, type Space } from './space.ts'
import { createTransfer, type Transfer } from './transfer.ts'

export interface DiskOptions {
  /** The store's folder; made when it does not exist. */
  readonly path: string
  /** What all its files may be long together. */
  readonly bytesMax: number
  readonly durability: Durability
  readonly log: Log
  /** Blobs up to this lie in segments, larger ones in files of their own. */
  readonly smallBytesMax?: number
}

/** Blobs and action results in one folder. Closing either closes both. */
export interface DiskStore {
  readonly blobs: Blobs
  readonly results: Results
  /** What its files are long together, in bytes, without what is in flight. */
  bytesStored(): number
  /** Blobs and results that it holds. */
  entries(): number
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

interface Shared {
  readonly transfer: Transfer
  readonly options: DiskOptions
}

/**
 * Opens a store, or begins one. Its bytes are not held against their digests here: put
 * `verified` before it.
 * @throws Failure 'unavailable' while another process has it open, 'precondition' when another
 *   version wrote it, 'invalid' when the folder holds something else
 */
export async function openDisk(options: DiskOptions): Promise<DiskStore> {
  const folder = openStoreFolder(options.path)
  try {
    const shared = { transfer: createTransfer(), options }
    const resultsMax = Math.floor((options.bytesMax - fixedBytes) * resultsShare)
    const blobs = await openBlobs(folder, options.bytesMax - fixedBytes - resultsMax, shared)
    const results = await openResults(folder, resultsMax, shared)
    let closing: Promise<void> | undefined
    const close = () => {
      closing ??= closeAll([blobs.log, results.log]).finally(folder.unlock)
      return closing
    }
    return {
      blobs: createDiskBlobs({ ...blobs, smallBytesMax: options.smallBytesMax ?? smallBlobBytesMax, close }),
      results: createDiskResults({ ...results, close }),
      bytesStored: () => blobs.space.bytesStored + results.space.bytesStored,
      entries: () => blobs.log.entries + blobs.large.entries + results.log.entries,
      close,
    }
  } catch (error) {
    folder.unlock()
    throw diskFailure(error, 'opening the store', options.path)
  }
}

async function closeAll(logs: readonly SegmentLog[]): Promise<void> {
  for (const log of logs) await log.close()
}

async function openBlobs(folder: StoreFolder, bytesMax: number, { transfer, options }: Shared) {
  const { durability, log } = options
  const index = createDigestIndex()
  const segmentBytes = segmentBytesFor(bytesMax)
  const segments = recoverSegments({ folder: folder.blobs, index, segmentBytes, log })
  const files = recoverLarge(folder.large, log)
  const ranked = rankByTime(segments, files)
  const age = createAge(bytesMax, ranked.newest)
  const space: Space = createSpace({ bytesMax, headBytes: headBytesFor(segmentBytes), evict })
  const common = { space, age, durability, transfer, log }
  const segmentLog = createSegmentLog({
    ...common,
    folder: folder.blobs,
    index,
    segmentBytes,
    segments: segments.map(({ segment }) => segment),
  })
  const large = createLargeFiles({
    ...common,
    folder: folder.large,
    incoming: folder.incoming,
    found: ranked.files,
  })

  /** Whichever is older of the oldest segment and the oldest large file. */
  async function evict(): Promise<boolean> {
    const segmentAt = segmentLog.oldestAt
    const fileAt = large.oldestAt
    if (fileAt === undefined || (segmentAt !== undefined && segmentAt < fileAt)) return segmentLog.evictOldest()
    await large.evictOldest()
    return true
  }

  await space.hold(0)
  return { log: segmentLog, large, space }
}

async function openResults(folder: StoreFolder, bytesMax: number, { transfer, options }: Shared) {
  const { durability, log } = options
  const index = createDigestIndex()
  const segmentBytes = segmentBytesFor(bytesMax)
  const segments = recoverSegments({ folder: folder.results, index, segmentBytes, log })
  const age: Age = createAge(bytesMax, rankByTime(segments, []).newest)
  const space: Space = createSpace({
    bytesMax,
    headBytes: headBytesFor(segmentBytes),
    evict: () => segmentLog.evictOldest(),
  })
  const segmentLog: SegmentLog = createSegmentLog({
    space,
    age,
    durability,
    transfer,
    log,
    folder: folder.results,
    index,
    segmentBytes,
    segments: segments.map(({ segment }) => segment),
  })
  await space.hold(0)
  return { log: segmentLog, space }
}

function segmentBytesFor(bytesMax: number): number {
  return Math.min(segmentBytesMax, Math.max(segmentBytesMin, Math.floor(bytesMax / segmentsPerStore)))
}

/** Carrying over writes up to half a segment before the old one goes, into at most a few new ones. */
function headBytesFor(segmentBytes: number): number {
  return Math.ceil(segmentBytes / 2) + 256
}

/** Gives each segment, and each file, its age by when it was written; segments stay in their order. */
function rankByTime(
  segments: ReturnType<typeof recoverSegments>,
  files: ReturnType<typeof recoverLarge>,
): { files: { digest: RecoveredDigest; age: number }[]; newest: number } {
  let latest = 0
  const dated = segments.map(({ segment, writtenMs }) => {
    latest = Math.max(latest, writtenMs)
    return { segment, at: latest }
  })
  const times = [...new Set([...dated.map(({ at }) => at), ...files.map(({ writtenMs }) => writtenMs)])]
  const ranks = new Map(times.sort((a, b) => a - b).map((at, rank) => [at, rank]))
  for (const { segment, at } of dated) segment.lastAt = ranks.get(at) ?? 0
  const ranked = files.map(({ digest, writtenMs }) => ({ digest, age: ranks.get(writtenMs) ?? 0 }))
  return { files: ranked.sort((a, b) => a.age - b.age), newest: times.length }
}

type RecoveredDigest = ReturnType<typeof recoverLarge>[number]['digest']
