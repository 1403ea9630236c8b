import type { Clock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import { createSemaphore } from '../../core/semaphore.ts'

/** Shares fetches between those who ask for the same, and aborts one that nobody waits for any more. */
export interface Fetches<T> {
  /**
   * @param take gets what was fetched, which is kept until it returns
   * @throws what `fetch` throws; Failure 'unavailable' when it takes too long; the signal's reason
   */
  get<R>(name: string, signal: AbortSignal, take: (value: T) => R): Promise<R>
}

export interface FetchOptions<T> {
  /** Returns something that is kept until it is released. Ends soon after the signal is aborted. */
  readonly fetch: (name: string, signal: AbortSignal) => Promise<T>
  /** Called when nobody waits for it any more. */
  readonly release: (value: T) => void
  readonly clock: Clock
  /** Aborts all fetches. */
  readonly signal: AbortSignal
}

/** A fetch that takes longer is given up. */
const fetchMsMax = 15 * 60_000
/** The most concurrent fetches: each may take as much disk as all images that are kept. */
const fetchesMax = 4

/** One fetch, which everybody who names its image waits for. */
interface SharedFetch<T> {
  waiters: number
  over: boolean
  readonly life: AbortController
  readonly value: Promise<T>
}

export function createFetches<T>({ fetch, release, clock, signal: worker }: FetchOptions<T>): Fetches<T> {
  const shared = new Map<string, SharedFetch<T>>()
  const inTurn = createSemaphore(fetchesMax)

  const begin = (name: string): SharedFetch<T> => {
    const life = new AbortController()
    const signal = AbortSignal.any([worker, life.signal])
    const bounded = async () => {
      signal.throwIfAborted()
      const late = new Failure('unavailable', `it did not arrive within ${fetchMsMax / 60_000} minutes`)
      const cancel = clock.after(fetchMsMax, () => life.abort(late))
      try {
        return await fetch(name, signal)
      } catch (error) {
        // Whatever noticed the abort has an error of its own.
        signal.throwIfAborted()
        throw error
      } finally {
        cancel()
      }
    }
    const end = () => {
      one.over = true
      forget(name, one)
    }
    const value = inTurn(bounded).then(
      (fetched) => {
        end()
        if (one.waiters === 0) release(fetched)
        return fetched
      },
      (error: unknown) => {
        end()
        throw error
      },
    )
    const one: SharedFetch<T> = { waiters: 0, over: false, life, value }
    // There may be nobody left waiting.
    value.catch(() => undefined)
    shared.set(name, one)
    return one
  }
  const forget = (name: string, one: SharedFetch<T>) => {
    if (shared.get(name) === one) shared.delete(name)
  }
  const leave = (name: string, one: SharedFetch<T>) => {
    one.waiters -= 1
    if (one.waiters > 0) return
    if (one.over) {
      one.value.then(release, () => undefined)
      return
    }
    // The next request starts a new fetch.
    forget(name, one)
    one.life.abort(new Failure('cancelled', 'nobody waits for it any more'))
  }

  return {
    async get(name, signal, take) {
      signal.throwIfAborted()
      const one = shared.get(name) ?? begin(name)
      one.waiters += 1
      try {
        return take(await orAborted(one.value, signal))
      } finally {
        leave(name, one)
      }
    },
  }
}

/** @throws the signal's reason, as soon as it is aborted */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
