import type { Digest } from '../../core/digest.ts'

/** Invocations for which something may be kept at once: each has a bit in the marks of what it holds. */
export const holdersMax = 32

/** The marks of a value have changed: a bit for each invocation that it is kept for. */
export type MarksChanged = (before: number, after: number, bytes: number) => void

/** Values that can be kept for invocations. */
export interface Markable {
  /** Adds marks to a value, and counts as its use. @returns those that it had; undefined when it is absent */
  pin(digest: Digest, bits: number): number | undefined
  /** Takes marks off a value. No use of it. */
  unpin(digest: Digest, bits: number): void
  /** Takes marks off all values, in slices: it may be many. Nothing may be given these marks meanwhile. */
  unpinAll(bits: number): Promise<void>
}

/** How much is kept, for each invocation and for all together. */
export interface PinTally {
  readonly changed: MarksChanged
  /** What is kept in all, in bytes on disk: what several hold counts once. */
  readonly bytes: number
  /** What the invocation with this bit holds, 0..31; what others hold too counts. */
  bytesOf(bit: number): number
  valuesOf(bit: number): number
}

/** Nothing is kept. */
export function createPinTally(): PinTally {
  const bytesEach = new Float64Array(holdersMax)
  const valuesEach = new Float64Array(holdersMax)
  let total = 0
  return {
    changed(before, after, bytes) {
      if (before === 0) total += bytes
      if (after === 0) total -= bytes
      for (let bits = before ^ after; bits !== 0; bits &= bits - 1) {
        const bit = 31 - Math.clz32(bits & -bits)
        const sign = (after & (1 << bit)) === 0 ? -1 : 1
        bytesEach[bit] = (bytesEach[bit] ?? 0) + sign * bytes
        valuesEach[bit] = (valuesEach[bit] ?? 0) + sign
      }
    },
    get bytes() {
      return total
    },
    bytesOf: (bit) => bytesEach[bit] ?? 0,
    valuesOf: (bit) => valuesEach[bit] ?? 0,
  }
}
