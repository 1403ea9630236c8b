import fs from 'node:fs'
import { promisify } from 'node:util'
import { errnoOf, messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Appender } from './appender.ts'
import type { DigestIndex } from './digest-index.ts'
import { emptySegment } from './evict-segment.ts'
import type { FileIo } from './file-io.ts'
import { bytesInSegment } from './footer.ts'
import type { IndexEntry } from './index-entries.ts'
import type { OpenSegments } from './open-segments.ts'
import { recordBytes } from './record.ts'
import { unknownReuse } from './reuse.ts'
import type { Segment } from './segment.ts'
import type { Space } from './space.ts'
import type { Survey } from './survey.ts'

/** Takes segments out of a log. */
export interface SegmentEvictor {
  /** What must be appended again of a segment, whatever is kept: its deletions, while there are earlier segments. */
  deletionBytes(segment: Segment): number
  /** Evicts a segment after appending again what the survey keeps of it, up to this many bytes. */
  evict(segment: Segment, survey: Survey, keepBytesMax: number): Promise<void>
}

export interface SegmentEvictorOptions {
  readonly index: DigestIndex
  readonly space: Space
  readonly io: FileIo
  readonly log: Log
  readonly segments: OpenSegments
  readonly appender: Appender
  /** A value was evicted. */
  evicted(entry: IndexEntry): void
}

const unlinkAsync = promisify(fs.unlink)

export function createSegmentEvictor(options: SegmentEvictorOptions): SegmentEvictor {
  const { index, space, io, log, segments, appender } = options

  /** Appends what must outlive the segment. A full disk is no reason to stop: it needs the eviction all the more. */
  async function empty(segment: Segment, survey: Survey, bytesMax: number): Promise<void> {
    try {
      await carryDeletions(segment)
    } catch (error) {
      log.warn('cannot carry over deletions', { segment: segment.path, reason: messageOf(error) })
    }
    try {
      const { append } = appender
      await emptySegment({ segment, index, io, survey, bytesMax, append, dropped: options.evicted })
    } catch (error) {
      log.warn('cannot carry over recently used values', { segment: segment.path, reason: messageOf(error) })
    }
  }

  /** A deletion is news of segments with lower numbers: it is needed while there are any. */
  function carriesDeletions({ number }: Segment): boolean {
    const [oldest] = segments.all.keys()
    return oldest !== number
  }

  async function carryDeletions(segment: Segment): Promise<void> {
    if (!carriesDeletions(segment)) return
    const { number, deletions } = segment
    for (const digest of deletions) {
      const bytes = recordBytes(digest.fn, 0)
      const from = { segment: number, offset: 0, length: 0, digest, used: 0, reuse: unknownReuse, pinned: false }
      await appender.append({ kind: 'deletion', digest, parts: [], from, length: 0, bytes, reuse: unknownReuse })
    }
  }

  async function unlink({ path }: Segment): Promise<void> {
    try {
      await unlinkAsync(path)
    } catch (error) {
      // It is not the store's any more in any case; a write must not fail for it.
      if (errnoOf(error) !== 'ENOENT') log.warn('cannot remove a segment', { segment: path, reason: messageOf(error) })
    }
  }

  return {
    deletionBytes(segment) {
      const [first] = segment.deletions
      return first && carriesDeletions(segment) ? segment.deletions.length * bytesInSegment(first.fn, 0) : 0
    },
    async evict(segment, survey, bytesMax) {
      if (segments.isOpen(segment)) await appender.between(segments.closeAll)
      await segment.sealing
      await empty(segment, survey, bytesMax)
      await unlink(segment)
      segments.remove(segment)
      segment.evicted = true
      space.remove(segment.bytesCounted, segment.readers > 0)
      if (segment.readers === 0) fs.closeSync(segment.fd)
    },
  }
}
