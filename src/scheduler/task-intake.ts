import { Code, RpcError } from '../wire/rpc.ts'
import type { RunAdmission } from './admission.ts'
import type { ClientFacts } from './client.ts'
import type { SchedulerContext } from './context.ts'
import type { Dispatch } from './dispatch.ts'
import type { ExecuteRequest } from './execute-request.ts'
import type { Mergeable } from './mergeable.ts'
import type { Operation } from './operation.ts'
import { createPrefetchedBudget } from './prefetched.ts'
import type { QueueBounds } from './queue-bounds.ts'
import { addInline, createTask, isQueued, type Task, type Worker } from './task.ts'
import type { TaskClients } from './task-clients.ts'

/** How an admitted Execute becomes a task, or joins one. */
export interface TaskIntake {
  /**
   * An operation on the identical action in flight, if there is one that may be shared.
   * @throws RpcError like begin
   */
  merge(request: ExecuteRequest, client: ClientFacts): Operation | undefined
  /**
   * Begins an admitted action, with its first operation.
   * @throws RpcError FAILED_PRECONDITION when the connected workers cannot take it, RESOURCE_EXHAUSTED with RetryInfo
   *   when the queue is full
   */
  begin(request: ExecuteRequest, admitted: RunAdmission, client: ClientFacts): Operation
}

export interface TaskIntakeParts {
  readonly active: Set<Task>
  readonly bounds: QueueBounds
  readonly clients: TaskClients
  readonly dispatch: Dispatch<Task, Worker>
  /** The number of actions that are queued. */
  readonly queued: () => number
  readonly mergeable: Mergeable
  readonly enqueue: (task: Task) => void
}

/**
 * Memory that an action in flight takes in addition to its bytes; measured on the heap of a scheduler with 20,000
 * queued actions.
 */
const taskBytes = 3 * 1024

export function createTaskIntake(
  { clock, meters }: SchedulerContext,
  { active, bounds, clients, dispatch, queued, mergeable, enqueue }: TaskIntakeParts,
): TaskIntake {
  const keepPrefetched = createPrefetchedBudget()
  let arrivals = 0

  /** Adds what another client asks for, as long as the task is still queued. */
  function join(task: Task, { priority, inline }: ExecuteRequest): void {
    if (!isQueued(task)) return
    addInline(task, inline)
    if (priority >= task.priority) return
    dispatch.reorder(task, () => {
      task.priority = priority
    })
  }

  return {
    merge(request, client) {
      const task = mergeable.find(request)
      if (!task) return undefined
      bounds.refuseWhenLarge(active.size)
      join(task, request)
      meters.merged()
      return clients.attach(task, client, { skipCacheLookup: request.skipCacheLookup, merged: true })
    },
    begin(request, { action, read }, client) {
      const verdict = dispatch.verdict(action.platform)
      if (verdict.kind === 'refuse') throw new RpcError(Code.FAILED_PRECONDITION, verdict.text)
      bounds.refuseWhenMany(queued())
      bounds.refuseWhenLarge(active.size)
      arrivals += 1
      const task = createTask(request, action, keepPrefetched(read), client, arrivals, clock.now())
      task.heldBytes = taskBytes + action.bytes.byteLength + task.prefetched.bytes
      bounds.hold(task.heldBytes)
      active.add(task)
      mergeable.add(task)
      const operation = clients.attach(task, client, { skipCacheLookup: request.skipCacheLookup, merged: false })
      enqueue(task)
      return operation
    },
  }
}
