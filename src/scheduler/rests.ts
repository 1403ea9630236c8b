import { backoffMs } from '../core/backoff.ts'
import type { SchedulerContext } from './context.ts'
import type { Dispatch } from './dispatch.ts'
import type { Task, Worker } from './task.ts'

/** Workers that take nothing for a while. */
export interface Rests {
  /**
   * A worker whose machine is in trouble (its disk is full) would fail one action after the other, and faster than the
   * others run them. Where there are others it rests: what it gave back goes to one of them.
   */
  begin(worker: Worker): void
  /** The worker has completed an action, so its trouble is over. */
  forget(worker: Worker): void
}

/** A worker that had to give an action back takes none for a while, longer each time in a row. */
const restMs = { msMin: 1_000, msMax: 30_000 }

/** @param workers all that are connected */
export function createRests(
  context: SchedulerContext,
  dispatch: Dispatch<Task, Worker>,
  workers: ReadonlySet<Worker>,
): Rests {
  /** How often in a row each has given an action back. */
  const returns = new WeakMap<Worker, number>()
  return {
    begin(worker) {
      const times = (returns.get(worker) ?? 0) + 1
      returns.set(worker, times)
      if (worker.resting || ![...workers].some((other) => other !== worker && !other.leaving && !other.resting)) return
      const ms = Math.min(backoffMs(times, restMs), context.workerWaitMs / 2)
      worker.resting = true
      dispatch.leave(worker)
      context.log.warn('worker rests', { worker: worker.name, ms, times })
      context.clock.after(ms, () => {
        worker.resting = false
        if (workers.has(worker) && !worker.leaving) dispatch.join(worker)
      })
    },
    forget(worker) {
      returns.delete(worker)
    },
  }
}
