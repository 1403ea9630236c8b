import { Failure } from '../core/failure.ts'

/** Work that several callers wait for. It is aborted when all of them have left. */
export interface SharedWork<T> {
  /**
   * @param signal aborts when the caller leaves; if absent, the work is always completed
   * @throws Failure 'cancelled' when all callers have left, and whatever the work throws
   */
  wait(signal?: AbortSignal): Promise<T>
  /** Of the work, for whoever does not wait for it. */
  readonly result: Promise<T>
  readonly isAborted: boolean
}

/** Begins it. @param ending aborts it as well */
export function shareWork<T>(work: (signal: AbortSignal) => Promise<T>, ending: AbortSignal): SharedWork<T> {
  const leaving = new AbortController()
  const result = work(AbortSignal.any([leaving.signal, ending]))
  let waiting = 0

  function leave(): void {
    waiting -= 1
    if (waiting === 0) leaving.abort(new Failure('cancelled', 'nobody waits for this explanation any more'))
  }

  return {
    async wait(signal) {
      if (!signal) {
        waiting = Number.POSITIVE_INFINITY
        return await result
      }
      waiting += 1
      if (signal.aborted) leave()
      else signal.addEventListener('abort', leave)
      try {
        return await result
      } finally {
        signal.removeEventListener('abort', leave)
      }
    },
    result,
    get isAborted() {
      return leaving.signal.aborted
    },
  }
}
