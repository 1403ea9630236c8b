import { retryWhenThereIsRoom } from '../wire/status.ts'
import type { SchedulerContext } from './context.ts'

/** Limits how many actions are queued, and how much memory all in flight take. */
export interface QueueBounds {
  /** @throws RpcError RESOURCE_EXHAUSTED with RetryInfo when the queue is full */
  refuseWhenMany(waiting: number): void
  /** @throws RpcError RESOURCE_EXHAUSTED with RetryInfo when the actions in flight take too much memory */
  refuseWhenLarge(inFlight: number): void
  /** Counts bytes held by an action in flight, or by a client that follows one. */
  hold(bytes: number): void
  release(bytes: number): void
}

/** When a client that was refused should retry, in milliseconds. */
const fullRetryMs = 5_000

export function createQueueBounds(context: Pick<SchedulerContext, 'queueMax' | 'queueBytesMax'>): QueueBounds {
  let heldBytes = 0
  return {
    refuseWhenMany(waiting) {
      if (waiting >= context.queueMax)
        throw retryWhenThereIsRoom(`the queue is full: ${waiting} actions wait`, fullRetryMs)
    },
    refuseWhenLarge(inFlight) {
      if (heldBytes < context.queueBytesMax) return
      const what = `${inFlight} actions in flight take ${Math.round(heldBytes / 2 ** 20)} MiB`
      throw retryWhenThereIsRoom(`the queue is full: ${what} of the scheduler's memory`, fullRetryMs)
    },
    hold(bytes) {
      heldBytes += bytes
    },
    release(bytes) {
      heldBytes -= bytes
    },
  }
}
