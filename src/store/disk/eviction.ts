import type { Age } from './age.ts'
import type { DigestIndex } from './digest-index.ts'
import type { LargeFile } from './large-file-table.ts'
import type { LargeFiles } from './large-files.ts'
import { rankStep } from './ranks.ts'
import { type Reuses, windowMax } from './reuses.ts'
import type { Segment } from './segment.ts'
import { type Candidate as Choosable, chooseSegment } from './segment-choice.ts'
import type { SegmentLog } from './segment-log.ts'
import { type Survey, takeSurvey } from './survey.ts'

/**
 * What ranks first is kept, up to this part of the room; the rest of it holds what may go.
 * Since some segment is no fuller of what is kept than all are on average, no more than so
 * much of one is ever copied: at most 6 bytes for each that is written, if every segment is
 * mixed in the same way, and about half a byte in practice (README.md).
 */
export const keptShare = windowMax
/** A segment that would be copied nearly whole loses half, so that its eviction makes room. */
const copiedShareMax = 0.9
/** With more of the room pinned than this, hardly anything could be gained from all the copying. */
const pinnedShareMax = 0.95

export interface EvictionOptions {
  readonly index: DigestIndex
  readonly age: Age
  readonly reuses: Reuses
  readonly log: SegmentLog
  /** Absent where there are none. */
  readonly large?: LargeFiles
  /** Bytes that are kept for invocations, now that those are over which have been silent for too long. */
  readonly pinnedBytes?: () => Promise<number>
  readonly segmentBytes: number
  /** The capacity. */
  readonly bytesMax: number
  /**
   * Which segment goes first: the one with the least to copy; or the oldest, where a later
   * value replaces an earlier one, of which the segment must not outlive that of the later.
   */
  readonly order: 'least kept' | 'oldest'
}

/**
 * Evicts what ranks last: a large file, or a segment, out of which is copied what is to be kept.
 * @param room bytes that what is stored may take in the end
 * @param inVain evictions in a row, before this one, that left as much stored as there was. What is copied takes
 *   room too: after so many as there are segments, the oldest goes, and nothing of it is copied but what is pinned.
 * @returns false when there is nothing
 */
export type Evict = (room: number, inVain: number) => Promise<boolean>

interface Candidate extends Choosable {
  readonly segment: Segment
}

/** A survey, and how many of its files are gone or were used since. */
interface Surveyed {
  readonly survey: Survey<LargeFile>
  filesPassed: number
}

export function createEviction(options: EvictionOptions): Evict {
  const { index, age, reuses, log, large, segmentBytes, bytesMax, order, pinnedBytes } = options
  const bounds = { segmentBytes, shortMax: 2 * Math.ceil(bytesMax / segmentBytes) }
  let last: Surveyed | undefined

  /** A survey looks at every entry: many large files are evicted by one. */
  async function surveyFor(room: number): Promise<Surveyed> {
    const filesLeft = last && last.filesPassed < last.survey.files.length
    if (last && filesLeft && age.now - last.survey.madeAt < rankStep && room >= last.survey.room * 0.98) return last
    const survey = await takeSurvey({
      index,
      now: age.now,
      room,
      keepBytesMax: room * keptShare,
      windowBytes: room * reuses.window,
      segments: log.segments,
      files: large?.all() ?? [],
    })
    last = { survey, filesPassed: 0 }
    return last
  }

  async function evictSegment({ segment, keptShare: share }: Candidate, survey: Survey, whole: boolean) {
    last = undefined
    const mayBeWhole = (whole && !survey.overfull) || share <= copiedShareMax
    const bytesMax = mayBeWhole ? segment.bytesCounted : segment.bytesCounted / 2
    await log.evict(segment, survey, Math.min(segmentBytes, bytesMax))
  }

  /** The file that ranks last, unless the segment should go before it. */
  function fileToGo(surveyed: Surveyed, candidate: Candidate | undefined): LargeFile | undefined {
    const { survey } = surveyed
    for (; surveyed.filesPassed < survey.files.length; surveyed.filesPassed += 1) {
      const file = survey.files[surveyed.filesPassed]
      if (!file || !large?.has(file) || file.marks !== 0) continue
      if (file.used >= survey.madeAt && candidate && candidate.keptShare <= copiedShareMax) continue
      return !candidate || goesFirst(file, candidate, survey) ? file : undefined
    }
    return undefined
  }

  return async (room, inVain) => {
    const pinned = (await pinnedBytes?.()) ?? 0
    if (pinned > room * pinnedShareMax) return false
    const surveyed = await surveyFor(room)
    const { survey } = surveyed
    const candidates = log.evictable().map((segment) => {
      const { kept: values, surplusAt } = survey.divide(segment.number, segment.bytesCounted)
      const kept = values + log.deletionBytes(segment)
      return { segment, kept, keptShare: kept / segment.bytesCounted, surplusAt }
    })
    const [oldest] = candidates
    // Then each has been copied once without what is not pinned: there is no more to be had.
    if (pinned > 0 && inVain > 2 * candidates.length + 2) return false
    if (oldest && inVain > candidates.length) {
      last = undefined
      await log.evict(oldest.segment, survey, 0)
      return true
    }
    const { candidate, merged } =
      order === 'oldest' ? { candidate: oldest, merged: true } : chooseSegment(candidates, age.now, bounds)
    const file = fileToGo(surveyed, candidate)
    if (file) await large?.evict(file)
    else if (candidate) await evictSegment(candidate, survey, merged)
    // Files that came while it was surveyed go next time.
    return file !== undefined || candidate !== undefined || (pinned === 0 && (large?.entries ?? 0) > 0)
  }
}

/** A file costs nothing to evict; a segment goes before it when its own surplus is older and not too dear. */
function goesFirst({ used, reuse }: LargeFile, { keptShare: share, surplusAt }: Candidate, survey: Survey): boolean {
  if (survey.keeps(used, reuse)) return share > copiedShareMax
  return share > 0.5 || used <= surplusAt
}
