import { digestKey, digestText } from '../core/digest.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import type { RunAdmission } from './admission.ts'
import { createAttempts } from './attempts.ts'
import { type ClientFacts, clientFields } from './client.ts'
import type { SchedulerContext } from './context.ts'
import { createDispatch, type Dispatch } from './dispatch.ts'
import { type ExecuteRequest, inlineFilesMax } from './execute-request.ts'
import { createLeases, type Leases } from './lease.ts'
import type { Operation } from './operation.ts'
import { createPrefetchedBudget } from './prefetched.ts'
import { createQueueBounds } from './queue-bounds.ts'
import { errorEnd, recordEnd } from './recorded.ts'
import { createRegistry, type Registry, type RequestFacts } from './registry.ts'
import { failedResponse } from './response.ts'
import { createStreams, type Streams } from './streams.ts'
import { type Attempt, createTask, progressOf, repeatOf, type Task, type Worker } from './task.ts'

/** How a task ended, for the metrics. */
export type Outcome = 'ok' | 'failed' | 'error' | 'cancelled'

/** All actions in flight, from start to end: how they are queued and assigned. */
export interface Tasks {
  readonly active: ReadonlySet<Task>
  readonly registry: Registry
  readonly streams: Streams
  readonly leases: Leases<Task, Worker>
  readonly dispatch: Dispatch<Task, Worker>
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
  /** Ends one client's interest; the task continues for others, or is cancelled with the last one. */
  cancel(operation: Operation, reason: string): void
  /** Ends the task with a serialised ExecuteResponse for all of its operations. */
  end(task: Task, response: Uint8Array, outcome: Outcome): void
  fail(task: Task, error: RpcError): void
  /**
   * Runs a task that has ended once more, on a worker whose slot is already counted; no client is told about that run.
   */
  repeat(task: Task, worker: Worker): Task
  /** Ends such a run; its slot stays taken until the worker releases it. */
  breakOff(repeat: Task, reason: string): void
  /** The same, when its worker is lost. */
  endRun(repeat: Task): void
  /** Reports runs from now on, until the returned function is called. */
  watch(watcher: RunWatcher): () => void
}

/** Called when a worker has got the task, or another client follows one that a worker has. */
export type RunWatcher = (task: Task, attempt: Attempt) => void

/**
 * Memory that an action in flight takes in addition to its bytes, and that each client that follows it takes, including
 * its call; measured on the heap of a scheduler with 20,000 queued actions.
 */
const taskBytes = 3 * 1024
const operationBytes = 8 * 1024

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
  const keepPrefetched = createPrefetchedBudget()
  // Rule 30: only cacheable actions may be merged, so no others are in here.
  const mergeable = new Map<string, Task>()
  const watchers = new Set<RunWatcher>()
  let arrivals = 0

  function assign(task: Task, worker: Worker): void {
    const attempt = attempts.give(task, worker)
    meters.queueSeconds((task.assignedAt - task.queuedAt) / 1000)
    const progress = progressOf(task)
    for (const operation of task.operations) operation.move('executing', progress)
    for (const watcher of watchers) watcher(task, attempt)
  }

  function attach(task: Task, client: ClientFacts, asked: RequestFacts): Operation {
    const { operation } = registry.create(task.digest, client, task, asked)
    bounds.hold(operationBytes)
    operation.move('queued', progressOf(task))
    if (task.attempt || task.settling) operation.move('executing', progressOf(task))
    if (task.attempt) for (const watcher of watchers) watcher(task, task.attempt)
    return operation
  }

  function enqueue(task: Task): void {
    dispatch.enqueue(task)
    if (task.position >= 0) waits(task)
  }

  /** Adds what another client asks for, as long as the task is still queued. */
  function join(task: Task, { priority, inline }: ExecuteRequest): void {
    if (task.position < 0) return
    task.inline.stdout ||= inline.stdout
    task.inline.stderr ||= inline.stderr
    for (const path of inline.outputFiles)
      if (task.inline.outputFiles.size < inlineFilesMax) task.inline.outputFiles.add(path)
    if (priority >= task.priority) return
    dispatch.reorder(task, () => {
      task.priority = priority
    })
  }

  function end(task: Task, response: Uint8Array, outcome: Outcome, reason = 'the action has ended'): void {
    if (!active.delete(task)) return
    const key = digestKey(task.digest)
    if (mergeable.get(key) === task) mergeable.delete(key)
    bounds.release(task.heldBytes + task.operations.size * operationBytes)
    task.keep()
    task.prefetched.drop()
    dispatch.remove(task)
    attempts.callOff(task, reason)
    attempts.end(task)
    for (const operation of [...task.operations]) registry.complete(operation, response)
    meters.ended(outcome)
    if (active.size === 0) idle()
  }

  function fail(task: Task, error: RpcError): void {
    log.warn('action failed', { ...taskFields(task), code: error.code, reason: error.message })
    recordEnd(context, registry, task, errorEnd(error))
    end(task, failedResponse(error), 'error', error.message)
  }

  return {
    active,
    registry,
    streams,
    leases,
    dispatch,
    end,
    fail,
    repeat(task, worker) {
      const again = repeatOf(task, now())
      attempts.give(again, worker)
      return again
    },
    breakOff(repeat, reason) {
      attempts.callOff(repeat, reason)
      attempts.end(repeat)
    },
    endRun: (repeat) => attempts.end(repeat),
    watch(watcher) {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    merge(request, client) {
      const task = mergeable.get(digestKey(request.digest))
      // Rule 30: a result that must not predate the request may come from a running task, but not from one that is
      // over.
      if (!task || (task.settling && request.skipCacheLookup)) return undefined
      bounds.refuseWhenLarge(active.size)
      join(task, request)
      meters.merged()
      return attach(task, client, { skipCacheLookup: request.skipCacheLookup, merged: true })
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
      if (!action.doNotCache) mergeable.set(digestKey(task.digest), task)
      const operation = attach(task, client, { skipCacheLookup: request.skipCacheLookup, merged: false })
      enqueue(task)
      return operation
    },
    release(id, worker) {
      const lease = leases.held(id, worker)
      if (!lease) return undefined
      leases.end(lease)
      worker.free += 1
      const { task } = lease
      if (task) attempts.end(task)
      dispatch.freed(worker)
      return task
    },
    again(task, reason) {
      attempts.end(task, new RpcError(Code.UNAVAILABLE, reason))
      if (task.attempts > context.requeuesMax) {
        fail(task, new RpcError(Code.UNAVAILABLE, `tried on ${task.attempts} workers; the last one failed: ${reason}`))
        return
      }
      log.warn('action queued again', { ...taskFields(task), attempts: task.attempts, reason })
      meters.requeued()
      task.queuedAt = now()
      for (const operation of task.operations) operation.move('queued', progressOf(task))
      enqueue(task)
    },
    cancel(operation, reason) {
      const task = registry.find(operation.name)?.task
      if (operation.done || !task) return
      const error = new RpcError(Code.CANCELLED, `cancelled: ${reason}`)
      recordEnd(context, registry, task, errorEnd(error), [operation])
      registry.complete(operation, failedResponse(error))
      bounds.release(operationBytes)
      // A task that is about to store its result continues: the rest costs nothing.
      if (task.operations.size > 0 || task.settling) return
      log.info('action cancelled', { ...taskFields(task), reason })
      end(task, new Uint8Array(), 'cancelled', reason)
    },
  }
}

/** What logs say about a task. */
export function taskFields(task: Task): object {
  return { action: digestText(task.digest), ...clientFields(task.client) }
}
