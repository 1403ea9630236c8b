import { setImmediate as nextTurn } from 'node:timers/promises'

/** Lets others have the event loop from time to time, in a long piece of synchronous work. */
export interface TimeSlice {
  /** True when the slice is over; then wait for `next`. */
  readonly over: boolean
  /** Lets the event loop turn once and begins the next slice. */
  next(): Promise<void>
}

/**
 * Short enough that whoever renews a lease or answers a call hardly waits. Many synchronous calls to the file system are
 * several times faster than as many asynchronous ones, so such work is cut into slices.
 */
const sliceMsMax = 5

/** A slice that begins now. Asking whether it is over costs some 50 ns. */
export function createTimeSlice(msMax = sliceMsMax): TimeSlice {
  let until = performance.now() + msMax
  return {
    get over() {
      return performance.now() > until
    },
    async next() {
      await nextTurn()
      until = performance.now() + msMax
    },
  }
}

/**
 * Takes short synchronous steps one after the other, in slices.
 * @throws what a step throws; the signal's reason between two slices
 */
export async function inSlices(steps: Iterable<void>, signal?: AbortSignal): Promise<void> {
  const slice = createTimeSlice()
  for (const _step of steps) {
    if (!slice.over) continue
    await slice.next()
    signal?.throwIfAborted()
  }
}
