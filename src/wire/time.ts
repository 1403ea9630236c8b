import { Failure } from '../core/failure.ts'

/** Seconds and nanoseconds, as in google.protobuf.Timestamp and Duration. */
export interface WireTime {
  readonly seconds?: number | null
  readonly nanos?: number | null
}

/** The range of timestamp.proto: the years 1 to 9999. */
const timestampSecondsMin = -62_135_596_800
const timestampSecondsMax = 253_402_300_799
/** The range of duration.proto: about 10,000 years either way. */
const durationSecondsMax = 315_576_000_000
const nanosPerSecond = 1_000_000_000
const nanosPerMs = 1_000_000

/** A google.protobuf.Timestamp; nanos are never negative, not even before 1970. */
export function toTimestamp(ms: number): { seconds: number; nanos: number } {
  return split(ms, Math.floor(ms / 1000))
}

/**
 * Milliseconds since 1970, including fractions.
 * @throws Failure 'invalid' outside the years 1 to 9999, or for nanos outside 0..999,999,999
 */
export function fromTimestamp(time: WireTime, field = 'timestamp'): number {
  const { seconds, nanos } = parts(time, field)
  if (seconds < timestampSecondsMin || seconds > timestampSecondsMax || nanos < 0)
    throw new Failure('invalid', `${field}: not a time between the years 1 and 9999`)
  return seconds * 1000 + nanos / nanosPerMs
}

/** A google.protobuf.Duration; seconds and nanos have the same sign. */
export function toDuration(ms: number): { seconds: number; nanos: number } {
  return split(ms, Math.trunc(ms / 1000))
}

/**
 * Milliseconds, including fractions.
 * @throws Failure 'invalid' beyond 10,000 years, or if the signs of seconds and nanos differ
 */
export function fromDuration(time: WireTime, field = 'duration'): number {
  const { seconds, nanos } = parts(time, field)
  if (Math.abs(seconds) > durationSecondsMax) throw new Failure('invalid', `${field}: more than 10,000 years`)
  if (Math.sign(seconds) * Math.sign(nanos) < 0)
    throw new Failure('invalid', `${field}: seconds and nanos have different signs`)
  return seconds * 1000 + nanos / nanosPerMs
}

function split(ms: number, seconds: number): { seconds: number; nanos: number } {
  const nanos = Math.round((ms - seconds * 1000) * nanosPerMs)
  // Just below a whole second, nanos round up to it.
  return Math.abs(nanos) < nanosPerSecond ? { seconds, nanos } : { seconds: seconds + Math.sign(nanos), nanos: 0 }
}

function parts(time: WireTime, field: string): { seconds: number; nanos: number } {
  const seconds = time.seconds ?? 0
  const nanos = time.nanos ?? 0
  if (!Number.isSafeInteger(seconds) || !Number.isSafeInteger(nanos) || Math.abs(nanos) >= nanosPerSecond)
    throw new Failure('invalid', `${field}: seconds and nanos are out of range`)
  return { seconds, nanos }
}
