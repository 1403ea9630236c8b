import { backoffMs } from '../../../core/backoff.ts'
import type { Clock } from '../../../core/clock.ts'
import { Failure } from '../../../core/failure.ts'
import { wait } from '../../../host/wait.ts'

export interface RetryOptions {
  /** How often something is tried again. */
  readonly times: number
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Is told in a line why nothing happens for longer than a moment. */
  readonly tell?: ((text: string) => void) | undefined
}

const delays = { msMin: 1000, msMax: 60_000 }
/** A wait from this on is told. */
const toldMsMin = 4000

/** A failure that may go away: the server said to come back, or the network broke. */
export class Retryable extends Error {
  readonly failure: Failure
  /** Milliseconds that the server asked to wait; undefined when it said nothing. */
  readonly afterMs: number | undefined

  constructor(failure: Failure, afterMs?: number) {
    super(failure.message, { cause: failure })
    this.failure = failure
    this.afterMs = afterMs
  }
}

/**
 * Runs an attempt until it succeeds, fails for good, or was tried again often enough; waits
 * 1 s, doubled each time, at most a minute, or what the server asked for (Retry-After).
 * @throws the last failure
 */
export async function withRetries<T>(attempt: (times: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let times = 0; ; times += 1) {
    try {
      return await attempt(times)
    } catch (error) {
      const retryable = asRetryable(error)
      if (!retryable) throw error
      if (times >= options.times) throw retryable.failure
      await backOff(retryable, times, options)
    }
  }
}

/**
 * Waits before the next try, as long as withRetries says.
 * @param times how often it was tried again already
 */
export function backOff(retryable: Retryable, times: number, options: RetryOptions): Promise<void> {
  const ms = Math.min(retryable.afterMs ?? backoffMs(times + 1, delays), delays.msMax)
  if (ms >= toldMsMin) options.tell?.(`${retryable.failure.message}; trying again in ${Math.round(ms / 1000)} s`)
  return wait(ms, options.clock, options.signal)
}

/** Network failures are worth another try; what a server refuses is not. */
export function asRetryable(error: unknown): Retryable | undefined {
  if (error instanceof Retryable) return error
  if (error instanceof Failure && (error.kind === 'unavailable' || error.kind === 'deadline'))
    return new Retryable(error)
  return undefined
}

/**
 * Milliseconds of a Retry-After header: seconds or a date (RFC 9110, 10.2.3).
 * @param now milliseconds since 1970
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
