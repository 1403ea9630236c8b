import { Failure } from '../../core/failure.ts'
import { fromDuration, fromTimestamp, type WireTime } from '../../wire/time.ts'

/**
 * When something happened, by the field that tells it now or by the older one in milliseconds.
 * @returns whole milliseconds since 1970; undefined where neither is set, or it is no time that timestamp.proto allows
 */
export function momentOf(time: WireTime | null | undefined, ms?: number | null): number | undefined {
  return whole(fromTimestamp, time, ms)
}

/**
 * How long something took.
 * @returns whole milliseconds; undefined where neither is set, or it is none that duration.proto allows
 */
export function spanOf(time: WireTime | null | undefined, ms?: number | null): number | undefined {
  return whole(fromDuration, time, ms)
}

/** What does not fit is left out: a column that cannot be read back as a number would break every list that it is in. */
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
  // Only the seconds are held against the bounds; what is left is below one of them.
  const seconds = Math.floor(ms / 1000)
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) }
}
