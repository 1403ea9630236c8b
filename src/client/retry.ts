import { backoffMs, spreadMs } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { wait } from '../host/wait.ts'
import { unpackAny } from '../wire/any.ts'
import { rpc } from '../wire/proto.ts'
import { Code, RpcError } from '../wire/rpc.ts'

/** How often and how soon a call is retried. */
export interface RetryPolicy {
  /** All attempts, including the first. */
  readonly attemptsMax: number
  /** The delay after the first failure; it doubles with each further one. */
  readonly delayMsMin: number
  readonly delayMsMax: number
  readonly clock: Clock
  /** From 0 to 1; jitter for many clients that failed together. */
  readonly random: () => number
}

const retried: ReadonlySet<Code> = new Set([
  Code.UNAVAILABLE,
  Code.ABORTED,
  Code.INTERNAL,
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
])
/** The maximum delay, whatever a server asks for. */
const retryInfoMsMax = 10 * 60_000

/** Is the call worth retrying? True for transient failures, and for all that carry a RetryInfo. */
export function isRetriable(error: unknown): error is RpcError {
  return error instanceof RpcError && (retried.has(error.code) || retryInfoMs(error) !== undefined)
}

/** The delay that a server asks for with a google.rpc.RetryInfo (rule 44), in milliseconds. */
function retryInfoMs(error: RpcError): number | undefined {
  for (const detail of error.details) {
    const value = unpackAny(detail, 'google.rpc.RetryInfo')
    if (!value) continue
    const { seconds, nanos } = rpc.RetryInfo.decode(value).retryDelay ?? {}
    const ms = (seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6
    return Math.min(Math.max(ms, 0), retryInfoMsMax)
  }
  return undefined
}

/**
 * The delay before the next attempt, or undefined if there should be none.
 * @param failures consecutive failed attempts, including this one
 */
export function retryDelayMs(error: unknown, failures: number, policy: RetryPolicy): number | undefined {
  if (failures >= policy.attemptsMax || !isRetriable(error)) return undefined
  const asked = retryInfoMs(error)
  if (asked !== undefined) return asked
  return spreadMs(backoffMs(failures, { msMin: policy.delayMsMin, msMax: policy.delayMsMax }), policy.random())
}

/**
 * Makes a call, and retries it on transient failures.
 * @throws what the last attempt threw; RpcError CANCELLED when the signal aborts a wait
 */
export async function withRetries<T>(
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  attempt: (failures: number) => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await attempt(failures)
    } catch (error) {
      failures += 1
      const delay = signal?.aborted ? undefined : retryDelayMs(error, failures, policy)
      if (delay === undefined) throw error
      await waitToRetry(delay, policy.clock, signal)
    }
  }
}

/**
 * Waits between two attempts.
 * @throws RpcError CANCELLED when the signal aborts first, as an aborted call does
 */
export async function waitToRetry(ms: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  try {
    await wait(ms, clock, signal)
  } catch (cause) {
    throw new RpcError(Code.CANCELLED, 'cancelled while waiting to try again', [], cause)
  }
}
