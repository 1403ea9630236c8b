import { type Clock, systemClock } from '../../core/clock.ts'
import type { Log } from '../../telemetry/log.ts'
import { createEvictions, type Evictions } from '../evictions.ts'
import type { Durability } from './durability.ts'
import { createFileIo, type FileIo } from './file-io.ts'
import type { Space } from './space.ts'

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

/** What blobs and results have in common. */
export interface DiskContext {
  readonly io: FileIo
  readonly options: DiskOptions
  readonly clock: Clock
  readonly evictions: Evictions
  /** Where room is made when the disk is full: first where it is missing, then wherever there is some. */
  readonly spaces: Space[]
  /** The disk is full although the store is within its size. */
  shortened(): void
}

/** A full disk is logged at most once in this time, in milliseconds. */
const shortWarningEachMs = 60 * 60_000

export function createDiskContext(options: DiskOptions): DiskContext {
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
