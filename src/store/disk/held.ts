import { type HeldAge, type HeldBytes, type HeldKind, heldAges, heldKinds } from '../../core/cache-usage.ts'
import type { LargeFile } from './large-file-table.ts'
import type { Segment } from './segment.ts'

const hourMs = 3_600_000
/** How long ago something of an age was written at most, in milliseconds. */
const agesMs: Readonly<Record<HeldAge, number>> = {
  hour: hourMs,
  day: 24 * hourMs,
  week: 7 * 24 * hourMs,
  older: Number.POSITIVE_INFINITY,
}

/** The files of a store, whose sizes are what they count in the ledger (space.ts). */
export interface HeldFiles {
  readonly blobs: Iterable<Pick<Segment, 'bytesCounted' | 'writtenMs'>>
  readonly large: Iterable<Pick<LargeFile, 'bytes' | 'writtenMs'>>
  readonly results: Iterable<Pick<Segment, 'bytesCounted' | 'writtenMs'>>
}

/**
 * What a store holds by kind and age. What shares a file has its age: small values that were carried over when others were
 * evicted count as written then.
 * @param now milliseconds since 1970
 */
export function heldIn({ blobs, large, results }: HeldFiles, now: number): HeldBytes[] {
  const sums = new Map(heldKinds.map((kind) => [kind, new Map(heldAges.map((age) => [age, 0]))]))
  function add(kind: HeldKind, writtenMs: number, bytes: number): void {
    const age = heldAges.find((each) => now - writtenMs <= agesMs[each]) ?? 'older'
    const ofKind = sums.get(kind)
    ofKind?.set(age, (ofKind.get(age) ?? 0) + bytes)
  }
  for (const { writtenMs, bytesCounted } of blobs) add('small_blob', writtenMs, bytesCounted)
  for (const { writtenMs, bytes } of large) add('large_blob', writtenMs, bytes)
  for (const { writtenMs, bytesCounted } of results) add('action_result', writtenMs, bytesCounted)
  return [...sums].flatMap(([kind, ages]) => [...ages].map(([age, bytes]) => ({ kind, age, bytes })))
}
