import { isProven, octaveOf, overdueOctaves, type Reuse, reuseOctave, unknownReuse } from './reuse.ts'

/** Uses are told apart by so many steps of age (age.ts): a 128th of the capacity. */
export const rankStep = 32
/** What was used longer ago than this many such steps, four times the capacity, is told apart by octaves. */
const evenAges = 512
/** So long ago, in steps. */
export const longIdleSteps = evenAges * rankStep
/** Octaves of the reuse distance that are told apart: from a 16th of the capacity to 256 times as much. */
const octaveMin = 8
const octaveMax = 20
/** The last age is that at which everything is overdue. */
const ages = evenAges + 1 + octaveMax + overdueOctaves - octaveOf(longIdleSteps)
const groups = 1 + 2 * (octaveMax - octaveMin + 1)
const classes = groups * ages
/** Of a class in which nothing is. */
const noPlace = 0xffff

/** Bytes by classes of values: those of about the same reuse, and the same age of the last use. */
export interface Tally {
  readonly bytes: Float64Array
  /** Classes in which something is. */
  readonly used: number[]
}

export function emptyTally(): Tally {
  return { bytes: new Float64Array(classes), used: [] }
}

export function addTo({ bytes, used }: Tally, each: number, more: number): void {
  const before = bytes[each] ?? 0
  if (before === 0) used.push(each)
  bytes[each] = before + more
}

/** The class of a value. @param now the age at which the tally is made */
export function classOf(now: number, used: number, reuse: Reuse): number {
  return (groupByReuse[reuse] ?? 0) * ages + ageOf(Math.max(0, now - used))
}

function ageOf(idleSteps: number): number {
  if (idleSteps < longIdleSteps) return Math.floor(idleSteps / rankStep)
  return Math.min(ages - 1, evenAges + octaveOf(idleSteps) - octaveOf(longIdleSteps))
}

function groupOf(reuse: Reuse): number {
  if (reuse === unknownReuse) return 0
  const octave = Math.min(octaveMax, Math.max(octaveMin, reuseOctave(reuse)))
  return 1 + 2 * (octave - octaveMin) + (isProven(reuse) ? 1 : 0)
}

const groupByReuse = Uint8Array.from({ length: 256 }, (_, reuse) => groupOf(reuse))

/** How many steps of age are between a class's last use and now. */
export function idleStepsOf(each: number): number {
  const age = each % ages
  return age < evenAges ? age * rankStep : longIdleSteps * 2 ** (age - evenAges)
}

/** In which order the classes of a tally are kept, the first the longest. */
export interface Ranking {
  /** The first of these classes that does not fit any more has this place. */
  readonly end: number
  /** The place of a class in the order. */
  placeOf(each: number): number
}

/**
 * Puts classes in order:
 * 1. What was used last, as far as it fits into the window: by last use and nothing else.
 * 2. What is known to be used again: by its reuse distance, in octaves, or by how long it has been
 *    idle once that is longer. Within an octave, what has given proof comes before what came back
 *    after an eviction; of the latter the newest goes first. So a circle of values that is larger than
 *    the store does not push itself out: what is in stays in.
 * 3. The rest, by last use.
 * @param keepBytesMax what is to be kept at the most
 * @param windowBytes what the window holds
 */
export function rankClasses(tally: Tally, keepBytesMax: number, windowBytes: number): Ranking {
  const window = agesWithin(tally, windowBytes)
  const order = tally.used.map((each) => ({ each, rank: rankOf(each, window) })).sort((a, b) => a.rank - b.rank)
  const places = new Uint16Array(classes).fill(noPlace)
  let end = 0
  let bytes = 0
  for (const [place, { each }] of order.entries()) {
    places[each] = place
    bytes += tally.bytes[each] ?? 0
    if (bytes <= keepBytesMax) end = place + 1
  }
  return { end, placeOf: (each) => places[each] ?? noPlace }
}

function rankOf(each: number, windowAges: number): number {
  const age = each % ages
  if (age < windowAges) return age
  const group = (each - age) / ages
  const known = octaveMin + ((group - 1) >> 1)
  const idle = octaveOf(idleStepsOf(each))
  if (group === 0 || idle - known >= overdueOctaves) return Number.MAX_SAFE_INTEGER - ages + age
  const proven = group % 2 === 0
  const octave = Math.max(idle, known)
  return (1 + 2 * octave + (proven ? 0 : 1)) * ages + (proven ? age : ages - age)
}

/** How many ages, the youngest first, fit into this many bytes; the youngest counts even if it does not fit. */
function agesWithin({ bytes, used }: Tally, bytesMax: number): number {
  const byAge = new Float64Array(ages)
  for (const each of used) byAge[each % ages] = (byAge[each % ages] ?? 0) + (bytes[each] ?? 0)
  let sum = 0
  for (const [age, own] of byAge.entries()) {
    sum += own
    if (sum > bytesMax) return Math.max(1, age)
  }
  return ages
}
