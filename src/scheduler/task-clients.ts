import { Code, RpcError } from '../wire/rpc.ts'
import type { ClientFacts } from './client.ts'
import type { SchedulerContext } from './context.ts'
import type { Operation } from './operation.ts'
import type { QueueBounds } from './queue-bounds.ts'
import { errorEnd, recordEnd } from './recorded.ts'
import type { Registry, RequestFacts } from './registry.ts'
import { failedResponse } from './response.ts'
import { type Attempt, progressOf, type Task } from './task.ts'

/** The clients of all actions in flight, each with an operation of its own, and what they are told. */
export interface TaskClients {
  /** Adds a client to a task. */
  attach(task: Task, client: ClientFacts, asked: RequestFacts): Operation
  /** Ends one client's interest. @returns the task; undefined if the operation is done already */
  detach(operation: Operation, reason: string): Task | undefined
  /** The task is queued again. */
  queued(task: Task): void
  /** A worker has got the task. */
  executing(task: Task, attempt: Attempt): void
  /** Gives all clients of a task its response. */
  complete(task: Task, response: Uint8Array): void
  /** Reports runs from now on, until the returned function is called. */
  watch(watcher: RunWatcher): () => void
}

/** Called when a worker has got the task, or another client follows one that a worker has. */
export type RunWatcher = (task: Task, attempt: Attempt) => void

/**
 * Memory that each client that follows an action takes, including its call; measured on the heap of a scheduler with
 * 20,000 queued actions.
 */
const operationBytes = 8 * 1024

export function createTaskClients(context: SchedulerContext, registry: Registry, bounds: QueueBounds): TaskClients {
  const watchers = new Set<RunWatcher>()
  return {
    attach(task, client, asked) {
      const { operation } = registry.create(task.digest, client, task, asked)
      bounds.hold(operationBytes)
      operation.move('queued', progressOf(task))
      if (task.attempt || task.settling) operation.move('executing', progressOf(task))
      if (task.attempt) for (const watcher of watchers) watcher(task, task.attempt)
      return operation
    },
    detach(operation, reason) {
      const task = registry.find(operation.name)?.task
      if (operation.done || !task) return undefined
      const error = new RpcError(Code.CANCELLED, `cancelled: ${reason}`)
      recordEnd(context, registry, task, errorEnd(error), [operation])
      registry.complete(operation, failedResponse(error))
      bounds.release(operationBytes)
      return task
    },
    queued(task) {
      for (const operation of task.operations) operation.move('queued', progressOf(task))
    },
    executing(task, attempt) {
      const progress = progressOf(task)
      for (const operation of task.operations) operation.move('executing', progress)
      for (const watcher of watchers) watcher(task, attempt)
    },
    complete(task, response) {
      bounds.release(task.operations.size * operationBytes)
      for (const operation of [...task.operations]) registry.complete(operation, response)
    },
    watch(watcher) {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
  }
}
