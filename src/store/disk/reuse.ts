import { stepsPerCapacity } from './age.ts'

/**
 * After how long a value is used again, as far as is known of it: its reuse distance, in steps of
 * age (age.ts). Kept as one byte: seven bits tell the distance as a logarithm, in quarters of an
 * octave, and the lowest whether it was used again while it was in the store. 0 is unknown.
 */
export type Reuse = number

/** Uses that come sooner than this after one another are one use. */
export const burstSteps = stepsPerCapacity / 8

/**
 * A value that is in the store is used.
 * @param steps how long after its use before that, at least burstSteps
 * @param bytes what it takes
 * @returns what is known of it now
 */
export type Again = (known: Reuse, steps: number, bytes: number) => Reuse

/** Nothing is known: it was used once, or several times within moments. */
export const unknownReuse: Reuse = 0

const partsPerOctave = 4
const provenBit = 1

/** The octave of a distance in steps: 0 for 1, 1 for 2 and 3, 2 for 4 to 7. */
export function octaveOf(steps: number): number {
  return 31 - Math.clz32(Math.max(1, steps))
}

/** The octave of a known reuse distance. */
export function reuseOctave(reuse: Reuse): number {
  return Math.floor((reuse >> 1) / partsPerOctave)
}

/** A value whose next use is this many octaves overdue ranks like one of which nothing is known. */
export const overdueOctaves = 3

/** Was it used again while it was in the store? Otherwise it came back after it had been evicted. */
export function isProven(reuse: Reuse): boolean {
  return (reuse & provenBit) !== 0
}

/**
 * What is known after another use. The distance is a mean of this one and what was known, so
 * that neither one late nor one early use decides.
 * @param steps how long ago it was used before that, at least 2
 * @param inStore was it still there?
 */
export function reusedAfter(known: Reuse, steps: number, inStore: boolean): Reuse {
  const now = Math.floor(Math.log2(steps) * partsPerOctave)
  const before = known >> 1
  const distance = before === 0 ? now : (before + now) >> 1
  return (distance << 1) | (inStore ? provenBit : 0)
}

/** What is kept of it once the value is evicted: the distance, of which it has to give proof again. */
export function unproven(reuse: Reuse): Reuse {
  return reuse & ~provenBit
}
