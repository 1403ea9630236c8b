import { createTimeSlice, type TimeSlice } from '../../host/time-slice.ts'
import type { DigestIndex, IndexPart } from './digest-index.ts'
import { bytesInSegment } from './footer.ts'
import { addTo, classOf, emptyTally, idleStepsOf, longIdleSteps, rankClasses } from './ranks.ts'
import { contentBytes } from './record.ts'
import type { Reuse } from './reuse.ts'
import type { Segment } from './segment.ts'
import {
  addToSegment,
  eachOfSegments,
  emptySegmentTally,
  hasRoomFor,
  makeRoomFor,
  type SegmentTally,
} from './segment-tally.ts'
import { cell } from './shard.ts'

/** What is not in segments, and takes of the same room. */
export interface SurveyedFile {
  /** Age of its last use. */
  readonly used: number
  readonly reuse: Reuse
  readonly bytes: number
  /** The invocations that it is kept for (pins.ts). */
  readonly marks: number
}

/** What a store would keep if it had less room. */
export interface Survey<File extends SurveyedFile = SurveyedFile> {
  /** Age at which it was made. */
  readonly madeAt: number
  /** The room that it was made for. */
  readonly room: number
  /** Is there more to be kept than was to be? So it is when most of what is stored was used at this very age. */
  readonly overfull: boolean
  /** Where a value stands in the order in which values are kept (ranks.ts): the first the longest. */
  place(used: number, reuse: Reuse): number
  /** Is such a value to be kept? */
  keeps(used: number, reuse: Reuse): boolean
  /**
   * What a segment of so many bytes holds that is to be kept, in bytes, with all that was written to it
   * since; and when the rest was used, as an age, on average: what is not even a value any more long ago.
   */
  divide(segment: number, bytes: number): { readonly kept: number; readonly surplusAt: number }
  /** All files that may go, the first to go first. */
  readonly files: readonly File[]
}

export interface SurveyOptions<File> {
  readonly index: Pick<DigestIndex, 'parts'>
  readonly now: number
  readonly room: number
  /** The most that is to be kept, in bytes. */
  readonly keepBytesMax: number
  /** What is to be kept for its last use alone, in bytes. */
  readonly windowBytes: number
  readonly segments: Iterable<Pick<Segment, 'number' | 'bytesCounted'>>
  readonly files: Iterable<File>
}

/** What the values of a segment that are to be kept take, and the others; and how long ago those were used, weighed by their bytes. */
interface Parts {
  kept: number
  surplus: number
  surplusIdle: number
}

/**
 * Looks at everything that a store holds, without keeping the event loop for long, and at each value once: what
 * segments hold of each class is enough to put the classes in order and to see what is to be kept of each segment.
 */
export async function takeSurvey<File extends SurveyedFile>(options: SurveyOptions<File>): Promise<Survey<File>> {
  const { index, now, room, keepBytesMax, windowBytes } = options
  const files: File[] = []
  let pinnedFileBytes = 0
  for (const file of options.files)
    if (file.marks === 0) files.push(file)
    else pinnedFileBytes += file.bytes
  // Before the values, so that what is written meanwhile is new, whether it is seen or not.
  const bytesThen = new Map<number, number>()
  for (const { number, bytesCounted } of options.segments) bytesThen.set(number, bytesCounted)
  const slice = createTimeSlice(1)
  const found = await valuesOf(index, now, slice)
  const tally = emptyTally()
  let pinnedBytes = pinnedFileBytes
  await eachInSlices(files, slice, ({ used, reuse, bytes }) => addTo(tally, classOf(now, used, reuse), bytes))
  await eachOfSegments(found, slice, (_, each, bytes) => {
    if ((each & pinnedBit) === 0) addTo(tally, each >> classShift, bytes)
    else pinnedBytes += bytes
  })
  const { end, placeOf } = rankClasses(tally, Math.max(0, keepBytesMax - pinnedBytes), windowBytes)
  // What has been used or stored since may be of a class that had no place.
  const place = (used: number, reuse: Reuse) => (used >= now ? 0 : placeOf(classOf(now, used, reuse)))
  const keeps = (used: number, reuse: Reuse) => used >= now || place(used, reuse) < end

  const segments = await divided(found, slice, (each) => (each & inAnyCase) !== 0 || placeOf(each >> classShift) < end)
  let keptBytes = pinnedFileBytes
  await eachInSlices(files, slice, ({ used, reuse, bytes }) => {
    if (keeps(used, reuse)) keptBytes += bytes
  })
  for (const { kept } of segments.values()) keptBytes += kept

  const filesLastFirst = await lastFirst(files, slice, ({ used, reuse }) => place(used, reuse))
  return {
    madeAt: now,
    room,
    overfull: keptBytes > keepBytesMax,
    place,
    keeps,
    divide(segment, bytes) {
      const { kept: known, surplus, surplusIdle } = segments.get(segment) ?? { kept: 0, surplus: 0, surplusIdle: 0 }
      const since = Math.max(0, bytes - (bytesThen.get(segment) ?? 0))
      // A value that was written while the survey was made may count as seen and as written since.
      const kept = Math.min(bytes, known + since)
      const waste = Math.max(0, bytes - kept - surplus)
      const idle = (surplusIdle + waste * longIdleSteps) / Math.max(1, bytes - kept)
      return { kept, surplusAt: now - idle }
    },
    files: filesLastFirst,
  }
}

/** Beside the class of a value: was it used at the very age at which the survey is made? Such a one is kept in any case. */
const usedNowBit = 1
/** Is it kept for an invocation? */
const pinnedBit = 2
const inAnyCase = usedNowBit | pinnedBit
const classShift = 2

/** What each segment has of each class, with the two bits behind the class. */
async function valuesOf(index: Pick<DigestIndex, 'parts'>, now: number, slice: TimeSlice): Promise<SegmentTally> {
  const found = emptySegmentTally()
  for (const part of index.parts()) {
    // At most one pair for each entry; while room is made, there may come more of them.
    while (!hasRoomFor(found, part.shard.count)) await makeRoomFor(found, part.shard.count, slice)
    addPart(found, part, now)
    if (slice.over) await slice.next()
  }
  return found
}

/** Adds all that a part of the index has, in one go, since the part may change in every pause. */
function addPart(found: SegmentTally, { fn, shard, stride }: IndexPart, now: number): void {
  const { cells, marks } = shard
  const emptyBytes = bytesInSegment(fn, 0)
  for (let at = 0; at < cells.length; at += stride) {
    const segment = cells[at + cell.segment] ?? 0
    if (segment === 0) continue
    const used = cells[at + cell.used] ?? 0
    const pinned = marks && marks[at / stride] !== 0 ? pinnedBit : 0
    const each =
      (classOf(now, used, cells[at + cell.reuse] ?? 0) << classShift) | (used >= now ? usedNowBit : 0) | pinned
    addToSegment(found, segment, each, emptyBytes + contentBytes(cells[at + cell.length] ?? 0))
  }
}

async function divided(
  found: SegmentTally,
  slice: TimeSlice,
  keeps: (each: number) => boolean,
): Promise<Map<number, Parts>> {
  const segments = new Map<number, Parts>()
  function partsOf(segment: number): Parts {
    const known = segments.get(segment)
    if (known) return known
    const own = { kept: 0, surplus: 0, surplusIdle: 0 }
    segments.set(segment, own)
    return own
  }
  await eachOfSegments(found, slice, (segment, each, bytes) => {
    const own = partsOf(segment)
    if (keeps(each)) own.kept += bytes
    else {
      own.surplus += bytes
      own.surplusIdle += bytes * Math.min(longIdleSteps, idleStepsOf(each >> classShift))
    }
  })
  return segments
}

/** In the order of their places, the last first; those of one place stay as they are. */
async function lastFirst<File>(
  files: readonly File[],
  slice: TimeSlice,
  placeOf: (file: File) => number,
): Promise<File[]> {
  const byPlace = new Map<number, File[]>()
  await eachInSlices(files, slice, (file) => {
    const place = placeOf(file)
    const same = byPlace.get(place)
    if (same) same.push(file)
    else byPlace.set(place, [file])
  })
  return [...byPlace].sort(([a], [b]) => b - a).flatMap(([, same]) => same)
}

/** So many files are looked at without asking whether the slice is over. */
const blockFiles = 256

async function eachInSlices<File>(files: readonly File[], slice: TimeSlice, see: (file: File) => void): Promise<void> {
  for (let block = 0; block < files.length; block += blockFiles) {
    for (const file of files.slice(block, block + blockFiles)) see(file)
    if (slice.over) await slice.next()
  }
}
