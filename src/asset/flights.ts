import type { Clock } from '../core/clock.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { retryLater } from '../wire/status.ts'
import { AtOrigin } from './at-origin.ts'

export interface Joining<T> {
  /** Requests with the same key want the same content. */
  readonly key: string
  /** A retrieval that began earlier (milliseconds since 1970) is not joined but replaced. */
  readonly oldestMs: number
  /** The caller's timeout in milliseconds. */
  readonly timeoutMs: number
  /** The caller's; ends the wait. */
  readonly signal: AbortSignal
  /** Begins it, if there is none to join. @param signal aborts when no caller allows it any more time */
  start(signal: AbortSignal, startedMs: number): Promise<T>
}

/** Retrievals in flight: concurrent requests for the same content share one. */
export interface Flights<T> {
  /**
   * Waits for a retrieval, new or already running. It goes on after the caller's deadline, so that a retry finds it,
   * until its timeouts are over; it ends when all callers have cancelled.
   * @throws AtOrigin DEADLINE_EXCEEDED after timeoutMs; the signal's reason; RpcError UNAVAILABLE with RetryInfo if
   *   there are too many; what `start` throws
   */
  join(joining: Joining<T>): Promise<T>
  /** Ends all of them; settles when they have ended. No call may follow. */
  close(): Promise<void>
  readonly size: number
}

interface Flight<T> {
  readonly startedMs: number
  readonly outcome: Promise<T>
  readonly controller: AbortController
  /** Callers that still allow it time. */
  holds: number
}

const retryMs = 1_000

export function createFlights<T>(clock: Clock, max: number): Flights<T> {
  const byKey = new Map<string, Flight<T>>()
  const running = new Set<Flight<T>>()

  function begin({ key, start }: Joining<T>): Flight<T> {
    if (running.size >= max) throw retryLater(`${max} downloads are in progress or wait for their turn`, retryMs)
    const controller = new AbortController()
    const startedMs = clock.now()
    const outcome = start(controller.signal, startedMs).finally(() => {
      running.delete(flight)
      if (byKey.get(key) === flight) byKey.delete(key)
    })
    const flight: Flight<T> = { startedMs, outcome, controller, holds: 0 }
    byKey.set(key, flight)
    running.add(flight)
    return flight
  }

  function hold(flight: Flight<T>, { timeoutMs, signal }: Joining<T>): Promise<T> {
    flight.holds += 1
    return new Promise((resolve, reject) => {
      let over = false
      const letGo = (error: Error) => {
        if (over) return
        over = true
        stopTimer()
        flight.holds -= 1
        if (flight.holds === 0) flight.controller.abort(error)
        reject(error)
      }
      const stopTimer = clock.after(timeoutMs, () =>
        letGo(new AtOrigin(Code.DEADLINE_EXCEEDED, `the content could not be had within ${timeoutMs / 1000} s`)),
      )
      const aborted = () => {
        if (isDeadline(signal.reason)) reject(signal.reason)
        else letGo(signal.reason)
      }
      const settled = () => {
        stopTimer()
        signal.removeEventListener('abort', aborted)
      }
      flight.outcome.finally(settled).then(resolve, reject)
      if (signal.aborted) aborted()
      else signal.addEventListener('abort', aborted, { once: true })
    })
  }

  return {
    async join(joining) {
      const known = byKey.get(joining.key)
      const usable = known && known.startedMs >= joining.oldestMs && !known.controller.signal.aborted
      return hold(usable ? known : begin(joining), joining)
    },
    async close() {
      const ended = [...running]
      for (const { controller } of ended) controller.abort(new RpcError(Code.UNAVAILABLE, 'the server is closing'))
      await Promise.allSettled(ended.map(({ outcome }) => outcome))
    },
    get size() {
      return running.size
    },
  }
}

function isDeadline(reason: unknown): boolean {
  return reason instanceof RpcError && reason.code === Code.DEADLINE_EXCEEDED
}
