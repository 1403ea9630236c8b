import { backoffMs, spreadMs } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { wait } from '../host/wait.ts'
import { unpackAny } from '../wire/any.ts'
import { rpc } from '../wire/proto.ts'
import { Code, RpcError } from '../wire/rpc.ts'

/** How often and how fast a call is made again. */
export interface RetryPolicy {
  /** Calls in all, the first one counted. */
  readonly attemptsMax: number
  /** The wait after the first failure; it doubles with each further one. */
  readonly delayMsMin: number
  readonly delayMsMax: number
  readonly clock: Clock
  /** From 0 to 1; spreads the waits of many clients that failed together. */
  readonly random: () => number
}

const retried: ReadonlySet<Code> = new Set([
  Code.UNAVAILABLE,
  Code.ABORTED,
  Code.INTERNAL,
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
])
/** No server keeps a client waiting longer than this, whatever it asks for. */
const retryInfoMsMax = 10 * 60_000

/** Is the call worth making again? True for failures that pass, and for all that carry a RetryInfo. */
export function isRetriable(error: unknown): error is RpcError {
  return error instanceof RpcError && (retried.has(error.code) || retryInfoMs(error) !== undefined)
}

/** The wait that a server asks for with a google.rpc.RetryInfo (rule 44), in milliseconds. */
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
 * The wait before the next attempt, or undefined when there shall be none.
 * @param failures how many attempts have failed in a row, this one counted
 */
export function retryDelayMs(error: unknown, failures: number, policy: RetryPolicy): number | undefined {
  if (failures >= policy.attemptsMax || !isRetriable(error)) return undefined
  const asked = retryInfoMs(error)
  if (asked !== undefined) return asked
  return spreadMs(backoffMs(failures, { msMin: policy.delayMsMin, msMax: policy.delayMsMax }), policy.random())
}

/**
 * Makes a call, and again while it fails in a way that passes.
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
 * Waits between two calls.
 * @throws RpcError CANCELLED when the signal aborts first, as a call does that it ends
 */
export async function waitToRetry(ms: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  try {
    await wait(ms, clock, signal)
  } catch (cause) {
    throw new RpcError(Code.CANCELLED, 'cancelled while waiting to try again', [], cause)
  }
}
