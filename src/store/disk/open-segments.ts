import type { Clock } from '../../core/clock.ts'
import { errnoOf } from '../../core/failure.ts'
import type { Age } from './age.ts'
import type { Append } from './append.ts'
import type { Durability } from './durability.ts'
import { syncFolder } from './folder.ts'
import { footerEntryBytes, trailerBytes } from './footer.ts'
import { createSegment, type Segment, segmentHeaderBytes } from './segment.ts'
import type { Space } from './space.ts'

/** The segments of a log, and which of them is written to. */
export interface OpenSegments {
  /** By number, ascending. */
  readonly all: ReadonlyMap<number, Segment>
  /** Is it written to? */
  isOpen(segment: Segment): boolean
  /** The segment that has room for a group of records: all of them new, or all carried over. */
  segmentFor(bytes: number, records: readonly Append[]): Segment | Promise<Segment>
  /** Finishes what is written to, so that all segments can be evicted; the next record begins another. */
  closeAll(): void
  remove(segment: Segment): void
}

export interface OpenSegmentsOptions {
  readonly folder: string
  /** What was found at start, by number ascending. */
  readonly found: readonly Segment[]
  readonly space: Space
  readonly age: Age
  readonly clock: Clock
  /** Length at which a segment is finished, its footer included. */
  readonly segmentBytes: number
  readonly durability: Durability
  /** Do values that are carried over get segments of their own? */
  readonly apart: boolean
  /** Writes a segment's footer in the background; nothing is appended to it any more. */
  finish(segment: Segment): void
}

/** Keeps a footer under about 15 MB. */
export const segmentRecordsMax = 250_000
/** A segment is finished when it has been the newest while a 32nd of the capacity was written (age.ts). */
const segmentAgeMax = 128

/**
 * New values and those that are carried over go to segments of their own: what outlived one
 * eviction is likely to outlive the next, and is not copied each time if it lies among its like.
 *
 * A start reads segments by number, and the later word on a digest counts. That stays true since
 * - a value is only carried into a segment with a higher number than that from which it comes, and
 * - a deletion is only written to the segment with the highest number of all.
 * Where values are replaced (`apart` is false) there is one segment to write to, and one order.
 */
export function createOpenSegments(options: OpenSegmentsOptions): OpenSegments {
  const { folder, space, age, clock, segmentBytes, durability, apart } = options
  const all = new Map(options.found.map((segment) => [segment.number, segment]))
  let lastNumber = options.found.at(-1)?.number ?? 0
  let fresh = options.found.at(-1)
  if (fresh?.sealing) fresh = undefined
  let survivors: Segment | undefined

  function isFull(segment: Segment, bytes: number, records: readonly Append[]): boolean {
    if (segment.records === 0) return false
    const entryBytes = footerEntryBytes(records[0]?.digest.fn ?? 'sha256') * records.length
    return (
      segment.bytesCounted + bytes + entryBytes > segmentBytes ||
      segment.records + records.length > segmentRecordsMax ||
      (segment === fresh && age.written - segment.bornAt > segmentAgeMax)
    )
  }

  function begin(): Segment {
    const segment = create()
    all.set(segment.number, segment)
    segment.bytesCounted = segmentHeaderBytes + trailerBytes
    space.add(segment.bytesCounted)
    return segment
  }

  /** A number is used up even if the disk has no room for the file, and left out where something has its name. */
  function create(): Segment {
    for (;;) {
      lastNumber += 1
      try {
        return createSegment(folder, lastNumber, age.written, clock.now())
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error
      }
    }
  }

  function finish(segment: Segment | undefined): void {
    if (segment && !segment.evicted && !segment.sealing) options.finish(segment)
  }

  function known(segment: Segment): Segment | Promise<Segment> {
    return durability === 'power' ? syncFolder(folder).then(() => segment) : segment
  }

  function freshFor(bytes: number, records: readonly Append[]): Segment | Promise<Segment> {
    const overtaken = fresh?.number !== lastNumber && records.some(({ kind }) => kind === 'deletion')
    if (fresh && !fresh.evicted && !overtaken && !isFull(fresh, bytes, records)) return fresh
    const before = fresh
    fresh = begin()
    finish(before)
    return known(fresh)
  }

  function survivorsFor(bytes: number, records: readonly Append[]): Segment | Promise<Segment> {
    const above = records.reduce((most, { from }) => Math.max(most, from?.segment ?? 0), 0)
    if (survivors && !survivors.evicted && survivors.number > above && !isFull(survivors, bytes, records))
      return survivors
    const before = survivors
    survivors = begin()
    finish(before)
    return known(survivors)
  }

  return {
    all,
    isOpen: (segment) => segment === fresh || segment === survivors,
    segmentFor(bytes, records) {
      const [first] = records
      return apart && first?.from && first.kind === 'value' ? survivorsFor(bytes, records) : freshFor(bytes, records)
    },
    closeAll() {
      finish(fresh)
      finish(survivors)
      fresh = undefined
      survivors = undefined
    },
    remove: (segment) => all.delete(segment.number),
  }
}
