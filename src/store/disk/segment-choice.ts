import { segmentRecordsMax } from './open-segments.ts'
import type { Segment } from './segment.ts'

/** What a segment would give, and cost. */
export interface Candidate {
  readonly segment: Pick<Segment, 'bytesCounted' | 'records'>
  /** Bytes that would be copied. */
  readonly kept: number
  /** What part of it that is. */
  readonly keptShare: number
  /** Age at which the rest was used, on average. */
  readonly surplusAt: number
}

export interface Choice<C extends Candidate> {
  readonly candidate: C | undefined
  /** It goes to become a part of another, not for what it gives. */
  readonly merged: boolean
}

export interface Bounds {
  /** Length at which a segment is finished. */
  readonly segmentBytes: number
  /** Short segments are merged when there are more: each is an open file. */
  readonly shortMax: number
}

/**
 * Which segment is evicted first: usually the one that gives the most for its price. Short ones are
 * merged where there are too many. One that is full of tiny values is not short, however few bytes it has:
 * two of them would not fit into one, and there are no more of them than the index has room for.
 * @param candidates by number ascending
 */
export function chooseSegment<C extends Candidate>(
  candidates: readonly C[],
  now: number,
  { segmentBytes, shortMax }: Bounds,
): Choice<C> {
  const short = candidates.filter(
    ({ segment }) => segment.bytesCounted < segmentBytes / 2 && segment.records < segmentRecordsMax / 2,
  )
  if (short.length > shortMax) return { candidate: best(short, ({ kept }) => -kept), merged: true }
  return { candidate: best(candidates, (each) => benefit(each, now)), merged: false }
}

/**
 * Room that is made, and how long nobody has used what is lost for it, against the bytes that
 * are read and written: the rule by which log-structured file systems clean. By the room alone,
 * a few idle values among many in use would stay for ever.
 */
function benefit({ keptShare: share, surplusAt }: Candidate, now: number): number {
  return ((1 - share) * (now - surplusAt)) / (1 + share)
}

/** The first of equals, which is the oldest. */
function best<C>(candidates: readonly C[], value: (candidate: C) => number): C | undefined {
  let found: C | undefined
  let most = Number.NEGATIVE_INFINITY
  for (const each of candidates) {
    const own = value(each)
    if (own <= most) continue
    found = each
    most = own
  }
  return found
}
