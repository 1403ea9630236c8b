import { backoffMs } from '../core/backoff.ts'
import type { SchedulerContext } from './context.ts'
import type { Dispatch } from './dispatch.ts'
import type { Task, Worker } from './task.ts'

/** Workers that get no actions for a while. */
export interface Rests {
  /**
   * A worker whose machine is in trouble (a full disk, say) would fail one action after the other, faster than the
   * others run them. If there are other workers it rests, and what it gave back goes to one of them.
   */
  begin(worker: Worker): void
  /** The worker has completed an action, so the trouble is over. */
  forget(worker: Worker): void
}

/** How long a worker that gave an action back rests; longer each time in a row. */
const restMs = { msMin: 1_000, msMax: 30_000 }

/** @param workers all connected workers */
export function createRests(
  context: SchedulerContext,
  dispatch: Dispatch<Task, Worker>,
  workers: ReadonlySet<Worker>,
): Rests {
  /** How many times in a row each has given an action back. */
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
