import type { HeldBytes } from '../../core/cache-usage.ts'
import type { Blobs } from '../blobs.ts'
import type { Evictions } from '../evictions.ts'
import type { Pins } from '../pins.ts'
import type { Results } from '../results.ts'
import { createDiskBlobs } from './blobs.ts'
import { createDiskContext, type DiskOptions } from './context.ts'
import { diskFailure } from './errors.ts'
import { openStoreFolder } from './folder.ts'
import { heldIn } from './held.ts'
import { openBlobs } from './open-blobs.ts'
import { openResults } from './open-results.ts'
import { createDiskResults } from './results.ts'
import type { SegmentLog } from './segment-log.ts'

/** Blobs and action results in one folder. Closing either closes both. */
export interface DiskStore {
  readonly blobs: Blobs
  readonly results: Results
  /** What its files are long together, in bytes, without what is in flight. */
  bytesStored(): number
  /** Blobs and results that it holds. */
  entries(): number
  /** The former by kind and age. */
  held(): readonly HeldBytes[]
  readonly evictions: Evictions
  /** What is kept for builds while they run; absent where nothing is. */
  readonly pins: Pins | undefined
  close(): Promise<void>
}

/** What action results may take of a store, so that neither can push out all of the other. */
const resultsShare = 1 / 16
/** `format`, which is the same whatever the store holds. */
const fixedBytes = 64

/**
 * Opens a store, or begins one. Its bytes are not held against their digests here: put
 * `verified` before it.
 * @throws Failure 'unavailable' while another process has it open, 'precondition' when another
 *   version wrote it, 'invalid' when the folder holds something else
 */
export async function openDisk(options: DiskOptions): Promise<DiskStore> {
  const folder = openStoreFolder(options.path, options.log)
  try {
    const context = createDiskContext(options)
    const resultsMax = Math.floor((options.bytesMax - fixedBytes) * resultsShare)
    const blobs = await openBlobs(folder, options.bytesMax - fixedBytes - resultsMax, context)
    const results = await openResults(folder, resultsMax, context)
    let closing: Promise<void> | undefined
    const close = () => {
      closing ??= closeAll([blobs.log, results.log]).finally(folder.unlock)
      return closing
    }
    return {
      blobs: createDiskBlobs({ ...blobs, close }),
      results: createDiskResults({ ...results, close }),
      bytesStored: () => blobs.space.bytesStored + results.space.bytesStored,
      held: () =>
        heldIn(
          { blobs: blobs.log.segments, large: blobs.large.all(), results: results.log.segments },
          context.clock.now(),
        ),
      entries: () => blobs.log.entries + blobs.large.entries + results.log.entries,
      evictions: context.evictions,
      pins: blobs.pins,
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
