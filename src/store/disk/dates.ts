import { ageStepBytes } from './age.ts'
import { largeFileBytes } from './large-file.ts'
import type { RecoveredFile } from './recover-large.ts'
import type { Segment } from './segment.ts'

/** How old what was found at start is, in steps of age. */
export interface Dates {
  readonly files: readonly (RecoveredFile & { readonly age: number })[]
  /** The age of a segment's values, by its number. */
  segments(number: number): number
  /** Later than all of them. */
  readonly now: number
}

/**
 * Gives each segment, and each file, an age by when it was written, as if all of them had been
 * written one after the other; segments stay in their order.
 */
export function dateByBytes(segments: readonly Segment[], files: readonly RecoveredFile[], bytesMax: number): Dates {
  let latest = 0
  const all: { at: number; bytes: number; segment?: Segment; file?: RecoveredFile }[] = segments.map((segment) => {
    latest = Math.max(latest, segment.writtenMs)
    return { at: latest, bytes: segment.bytesCounted, segment }
  })
  for (const file of files) all.push({ at: file.writtenMs, bytes: largeFileBytes(file.digest.size), file })
  all.sort((a, b) => a.at - b.at)
  const dated: (RecoveredFile & { age: number })[] = []
  const ages = new Map<number, number>()
  let bytes = 0
  for (const { bytes: own, segment, file } of all) {
    bytes += own
    // 0 is not an age that anything was used at.
    const age = 1 + Math.floor(bytes / ageStepBytes(bytesMax))
    if (segment) ages.set(segment.number, age)
    if (file) dated.push({ ...file, age })
  }
  const now = 2 + Math.floor(bytes / ageStepBytes(bytesMax))
  for (const segment of segments) segment.bornAt = now
  return { files: dated, segments: (number) => ages.get(number) ?? 1, now }
}
