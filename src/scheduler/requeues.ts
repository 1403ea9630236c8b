import { Code, RpcError } from '../wire/rpc.ts'
import type { Attempts } from './attempts.ts'
import type { SchedulerContext } from './context.ts'
import type { Dispatch } from './dispatch.ts'
import { largerPlatform, largerText } from './larger.ts'
import type { QueueBounds } from './queue-bounds.ts'
import { encodedResponse } from './response.ts'
import { type Killed, type Task, taskFields, type Worker } from './task.ts'

/** How a task gets another attempt. */
export interface Requeues {
  /** Queues it again after its worker was lost, or ends it when that has happened too many times. */
  again(task: Task, reason: string): void
  /**
   * Queues a task that was killed for memory once more, for a worker that lets it have more.
   * @returns false if it has had its second run, or if there is no such worker
   */
  enlarge(task: Task, killed: Killed): boolean
}

export interface RequeuesParts {
  readonly attempts: Attempts
  readonly bounds: QueueBounds
  readonly dispatch: Dispatch<Task, Worker>
  readonly requeue: (task: Task) => void
  readonly fail: (task: Task, error: RpcError) => void
}

export function createRequeues(
  { log, meters, requeuesMax }: SchedulerContext,
  { attempts, bounds, dispatch, requeue, fail }: RequeuesParts,
): Requeues {
  return {
    again(task, reason) {
      attempts.end(task, new RpcError(Code.UNAVAILABLE, reason))
      if (task.attempts > requeuesMax) {
        fail(task, new RpcError(Code.UNAVAILABLE, `tried on ${task.attempts} workers; the last one failed: ${reason}`))
        return
      }
      log.warn('action queued again', { ...taskFields(task), attempts: task.attempts, reason })
      meters.requeued()
      requeue(task)
    },
    enlarge(task, killed) {
      const platform = task.killed ? undefined : largerPlatform(task.platform, dispatch.offers(), killed.limit)
      if (!platform) return false
      const bytes = encodedResponse(killed.answer).byteLength
      bounds.hold(bytes)
      task.heldBytes += bytes
      task.killed = killed
      task.platform = platform
      task.attempts = 0
      log.warn('action runs again with more memory', { ...taskFields(task), why: largerText(task) })
      requeue(task)
      return true
    },
  }
}
