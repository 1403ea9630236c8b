import { digestText } from '../core/digest.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import type { RunAdmission } from './admission.ts'
import { type Attempts, createAttempts } from './attempts.ts'
import { type ClientFacts, clientFields } from './client.ts'
import type { SchedulerContext } from './context.ts'
import { createDispatch, type Dispatch } from './dispatch.ts'
import type { ExecuteRequest } from './execute-request.ts'
import { largerPlatform, largerText } from './larger.ts'
import { createLeases, type Leases } from './lease.ts'
import { createMergeable } from './mergeable.ts'
import type { Operation } from './operation.ts'
import { createPrefetchedBudget } from './prefetched.ts'
import { createQueueBounds } from './queue-bounds.ts'
import { errorEnd, recordEnd, runEnd } from './recorded.ts'
import { createRegistry, type Registry } from './registry.ts'
import { encodedResponse, failedResponse, killedResponse } from './response.ts'
import { createStreams, type Streams } from './streams.ts'
import { addInline, createTask, type Killed, type Task, type Worker } from './task.ts'
import { createTaskClients, type RunWatcher } from './task-clients.ts'

/** How a task ended, for the metrics. */
export type Outcome = 'ok' | 'failed' | 'error' | 'cancelled'

/** All actions in flight, from start to end: how they are queued and assigned. */
export interface Tasks {
  readonly active: ReadonlySet<Task>
  readonly registry: Registry
  readonly streams: Streams
  readonly leases: Leases<Task, Worker>
  readonly dispatch: Dispatch<Task, Worker>
  readonly attempts: Attempts
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
  /** Its worker releases it: the attempt is over and the slot free. @returns the task, if it is still wanted */
  release(id: string, worker: Worker): Task | undefined
  /** Queues it again after its worker was lost, or ends it when that has happened too many times. */
  again(task: Task, reason: string): void
  /**
   * Queues a task that was killed for memory once more, for a worker that lets it have more.
   * @returns false if it has had its second run, or if there is no such worker
   */
  enlarge(task: Task, killed: Killed): boolean
  /** Ends one client's interest; the task continues for others, or is cancelled with the last one. */
  cancel(operation: Operation, reason: string): void
  /** Ends the task with a serialised ExecuteResponse for all of its operations. */
  end(task: Task, response: Uint8Array, outcome: Outcome): void
  /** Ends the task with an error, or with the answer of the worker that killed it for memory, if one did. */
  fail(task: Task, error: RpcError): void
  /** Reports runs from now on, until the returned function is called. */
  watch(watcher: RunWatcher): () => void
}

/**
 * Memory that an action in flight takes in addition to its bytes; measured on the heap of a scheduler with 20,000
 * queued actions.
 */
const taskBytes = 3 * 1024

/**
 * @param idle called whenever the last action in flight has ended
 * @param waits called for an action that finds no free slot
 */
export function createTasks(context: SchedulerContext, idle: () => void, waits: (task: Task) => void): Tasks {
  const { clock, log, meters } = context
  const now = clock.now
  const registry = createRegistry(context.newName, now)
  const streams = createStreams(now)
  const leases = createLeases<Task, Worker>(context.leaseMs, context.newLease)
  const dispatch = createDispatch<Task, Worker>({ now, workerWaitMs: context.workerWaitMs, assign })
  const attempts = createAttempts(now, leases, streams)
  const active = new Set<Task>()
  const bounds = createQueueBounds(context)
  const clients = createTaskClients(context, registry, bounds)
  const keepPrefetched = createPrefetchedBudget()
  const mergeable = createMergeable()
  let arrivals = 0

  function assign(task: Task, worker: Worker): void {
    const attempt = attempts.give(task, worker)
    meters.queueSeconds((task.assignedAt - task.queuedAt) / 1000)
    clients.executing(task, attempt)
  }

  function enqueue(task: Task): void {
    dispatch.enqueue(task)
    if (task.position >= 0) waits(task)
  }

  /** Adds what another client asks for, as long as the task is still queued. */
  function join(task: Task, { priority, inline }: ExecuteRequest): void {
    if (task.position < 0) return
    addInline(task, inline)
    if (priority >= task.priority) return
    dispatch.reorder(task, () => {
      task.priority = priority
    })
  }

  function end(task: Task, response: Uint8Array, outcome: Outcome, reason = 'the action has ended'): void {
    if (!active.delete(task)) return
    mergeable.remove(task)
    bounds.release(task.heldBytes)
    task.keep()
    task.prefetched.drop()
    dispatch.remove(task)
    attempts.callOff(task, reason)
    attempts.end(task)
    clients.complete(task, response)
    meters.ended(outcome)
    if (active.size === 0) idle()
  }

  function fail(task: Task, error: RpcError): void {
    log.warn('action failed', { ...taskFields(task), code: error.code, reason: error.message })
    if (task.killed) {
      const response = killedResponse(task, task.killed, error)
      recordEnd(context, registry, task, runEnd(response, response.message ?? ''))
      end(task, encodedResponse(response), 'failed', error.message)
      return
    }
    recordEnd(context, registry, task, errorEnd(error))
    end(task, failedResponse(error), 'error', error.message)
  }

  function requeue(task: Task): void {
    task.queuedAt = now()
    clients.queued(task)
    enqueue(task)
  }

  return {
    active,
    registry,
    streams,
    leases,
    dispatch,
    attempts,
    end,
    fail,
    watch: clients.watch,
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
      bounds.refuseWhenMany(dispatch.waiting)
      bounds.refuseWhenLarge(active.size)
      arrivals += 1
      const task = createTask(request, action, keepPrefetched(read), client, arrivals, now())
      task.heldBytes = taskBytes + action.bytes.byteLength + task.prefetched.bytes
      bounds.hold(task.heldBytes)
      active.add(task)
      mergeable.add(task)
      const operation = clients.attach(task, client, { skipCacheLookup: request.skipCacheLookup, merged: false })
      enqueue(task)
      return operation
    },
    release(id, worker) {
      const lease = attempts.release(id, worker)
      if (lease) dispatch.freed(worker)
      return lease?.task
    },
    again(task, reason) {
      attempts.end(task, new RpcError(Code.UNAVAILABLE, reason))
      if (task.attempts > context.requeuesMax) {
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
    cancel(operation, reason) {
      const task = clients.detach(operation, reason)
      // A task that is about to store its result continues: the rest costs nothing.
      if (!task || task.operations.size > 0 || task.settling) return
      log.info('action cancelled', { ...taskFields(task), reason })
      end(task, new Uint8Array(), 'cancelled', reason)
    },
  }
}

/** What logs say about a task. */
export function taskFields(task: Task): object {
  return { action: digestText(task.digest), ...clientFields(task.client) }
}
