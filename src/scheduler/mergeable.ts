import { digestKey } from '../core/digest.ts'
import type { ExecuteRequest } from './execute-request.ts'
import type { Task } from './task.ts'

/** The actions in flight that identical requests may join. Rule 30: only cacheable actions, so no others are in here. */
export interface Mergeable {
  add(task: Task): void
  /** The one that the request may join. */
  find(request: ExecuteRequest): Task | undefined
  remove(task: Task): void
}

export function createMergeable(): Mergeable {
  const tasks = new Map<string, Task>()
  return {
    add(task) {
      if (!task.action.doNotCache) tasks.set(digestKey(task.digest), task)
    },
    find(request) {
      const task = tasks.get(digestKey(request.digest))
      // Rule 30: a result that must not predate the request may come from a running task, but not from one that is
      // over.
      return task?.settling && request.skipCacheLookup ? undefined : task
    },
    remove(task) {
      const key = digestKey(task.digest)
      if (tasks.get(key) === task) tasks.delete(key)
    },
  }
}
