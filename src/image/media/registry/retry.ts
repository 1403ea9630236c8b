import { backoffMs } from '../../../core/backoff.ts'
import type { Clock } from '../../../core/clock.ts'
import { Failure } from '../../../core/failure.ts'
import { wait } from '../../../host/wait.ts'

export interface RetryOptions {
  /** Number of retries. */
  readonly times: number
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Receives a line about why nothing happens for longer than a moment. */
  readonly tell?: ((text: string) => void) | undefined
}

const delays = { msMin: 1000, msMax: 60_000 }
/** Waits at least this long are reported. */
const toldMsMin = 4000

/** A transient failure: the server asked to retry, or the network failed. */
export class Retryable extends Error {
  readonly failure: Failure
  /** Milliseconds that the server asked to wait; undefined if it did not say. */
  readonly afterMs: number | undefined

  constructor(failure: Failure, afterMs?: number) {
    super(failure.message, { cause: failure })
    this.failure = failure
    this.afterMs = afterMs
  }
}

/**
 * Runs an attempt until it succeeds, fails permanently, or the retries are used up; waits 1 s, doubled each time up to
 * a minute, or as long as the server asked (Retry-After).
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
 * Waits before the next attempt, as described for withRetries.
 * @param times number of retries so far
 */
export function backOff(retryable: Retryable, times: number, options: RetryOptions): Promise<void> {
  const ms = Math.min(retryable.afterMs ?? backoffMs(times + 1, delays), delays.msMax)
  if (ms >= toldMsMin) options.tell?.(`${retryable.failure.message}; trying again in ${Math.round(ms / 1000)} s`)
  return wait(ms, options.clock, options.signal)
}

/** Network failures are retried; a server's refusal is not. */
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
