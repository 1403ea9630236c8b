import { Failure } from '../../core/failure.ts'
import { fromDuration, fromTimestamp, type WireTime } from '../../wire/time.ts'

/**
 * A point in time, from the current field or the deprecated one in milliseconds.
 * @returns whole milliseconds since 1970; undefined if neither is set, or it is invalid by timestamp.proto
 */
export function momentOf(time: WireTime | null | undefined, ms?: number | null): number | undefined {
  return whole(fromTimestamp, time, ms)
}

/**
 * A duration, likewise.
 * @returns whole milliseconds; undefined if neither is set, or it is invalid by duration.proto
 */
export function spanOf(time: WireTime | null | undefined, ms?: number | null): number | undefined {
  return whole(fromDuration, time, ms)
}

/** Out-of-range values are dropped: a column that cannot be read back as a number would break every list with it. */
function whole(from: (time: WireTime) => number, time: WireTime | null | undefined, ms: number | null | undefined) {
  if (!time && !ms) return undefined
  try {
    return Math.round(from(time ?? wireTimeOf(ms ?? 0)))
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

function wireTimeOf(ms: number): WireTime {
  // Only the seconds are checked against the bounds; the rest is less than a second.
  const seconds = Math.floor(ms / 1000)
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) }
}
