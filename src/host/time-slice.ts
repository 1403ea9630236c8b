import { setImmediate as nextTurn } from 'node:timers/promises'

/** Yields to the event loop from time to time during long synchronous work. */
export interface TimeSlice {
  /** True when the slice is over; then await `next`. */
  readonly over: boolean
  /** Lets the event loop run once and begins the next slice. */
  next(): Promise<void>
}

/**
 * Short enough that renewing a lease or answering a call is hardly delayed. Many synchronous file system calls are
 * several times faster than as many asynchronous ones, so such work is cut into slices.
 */
const sliceMsMax = 5

/** Starts a slice now. Checking whether it is over costs some 50 ns. */
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
 * Runs short synchronous steps in order, in slices.
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
