import type { Dispatch } from './dispatch.ts'
import type { Avoided, Task, Worker } from './task.ts'

/** The actions that wait for another worker than the one on which they ran before. */
export interface Elsewhere {
  readonly waiting: number
  /**
   * Gives the task to another worker, or has it wait for one.
   * @returns false if it is to be queued like any other
   */
  place(task: Task): boolean
  /** Slots may have become free, and time has passed: tasks that have waited for long enough are queued. */
  look(): void
  /** Forgets a task. */
  remove(task: Task): void
}

export interface ElsewhereParts {
  readonly now: () => number
  readonly dispatch: Dispatch<Task, Worker>
  /** Gives the task to the worker, whose slot is already counted. */
  readonly assign: (task: Task, worker: Worker) => void
  /** Queues a task that may run anywhere from now on. */
  readonly enqueue: (task: Task) => void
}

/** How long a task waits for another worker. */
export const elsewhereMs = 30_000
/** The most that wait: each event looks at all of them. */
const waitingMax = 256

/** They take slots that no queued task waits for, as builds come first. */
export function createElsewhere({ now, dispatch, assign, enqueue }: ElsewhereParts): Elsewhere {
  const waiting = new Map<Task, Avoided>()

  function claim({ platform }: Task, avoided: Avoided): Worker | undefined {
    return dispatch.claim(platform, ({ name }) => name !== avoided.worker)
  }

  function mayCome({ platform, queuedAt }: Task, avoided: Avoided): boolean {
    avoided.isOnly = !dispatch.isAble(platform, ({ name }) => name !== avoided.worker)
    return !avoided.isOnly && now() - queuedAt < elsewhereMs
  }

  function remove(task: Task): void {
    const avoided = waiting.get(task)
    if (avoided) avoided.waits = false
    waiting.delete(task)
  }

  return {
    get waiting() {
      return waiting.size
    },
    place(task) {
      const { avoided } = task
      if (!avoided) return false
      const worker = claim(task, avoided)
      if (worker) {
        assign(task, worker)
        return true
      }
      if (!mayCome(task, avoided) || waiting.size >= waitingMax) return false
      avoided.waits = true
      waiting.set(task, avoided)
      return true
    },
    look() {
      for (const [task, avoided] of waiting) {
        const worker = claim(task, avoided)
        if (!worker && mayCome(task, avoided)) continue
        remove(task)
        if (worker) assign(task, worker)
        else enqueue(task)
      }
    },
    remove,
  }
}
