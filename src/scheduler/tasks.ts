import { digestFunctions, digestKey, digestText } from '../core/digest.ts'
import type { workerApi } from '../wire/proto.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { retryLater } from '../wire/status.ts'
import { toDuration, toTimestamp } from '../wire/time.ts'
import type { RunAdmission } from './admission.ts'
import { type ClientFacts, clientFields } from './client.ts'
import { createDispatch, type Dispatch } from './dispatch.ts'
import type { House } from './house.ts'
import { createLeases, type Leases } from './lease.ts'
import { createLuggageRoom } from './luggage.ts'
import type { Operation } from './operation.ts'
import { createRegistry, type Registry } from './registry.ts'
import { failedResponse } from './response.ts'
import { createStreams, type Streams } from './streams.ts'
import { createTask, progressOf, type Task, type Worker } from './task.ts'
import { inlineFilesMax, type Wanted } from './wanted.ts'

/** How a task ended, for the metrics. */
export type Outcome = 'ok' | 'failed' | 'error' | 'cancelled'

/** All actions in flight: how they begin, wait, are given out, and end. */
export interface Tasks {
  readonly active: ReadonlySet<Task>
  readonly registry: Registry
  readonly streams: Streams
  readonly leases: Leases<Task, Worker>
  readonly dispatch: Dispatch<Task, Worker>
  /** An operation on the identical action in flight, if there is one and it may be shared. */
  merge(wanted: Wanted, client: ClientFacts): Operation | undefined
  /**
   * Begins an action that has been admitted, with its first operation.
   * @throws RpcError FAILED_PRECONDITION when the connected workers cannot take it, UNAVAILABLE
   *   with RetryInfo when the queue is full
   */
  begin(wanted: Wanted, admitted: RunAdmission, client: ClientFacts): Operation
  /** Its worker lets go: the attempt is over, the slot free; gives the task if anybody still wants it. */
  release(id: string, worker: Worker): Task | undefined
  /** Queues it again after its worker was lost, or ends it when that has happened too often. */
  again(task: Task, reason: string): void
  /** Ends one client's interest; the task goes on for others, or is cancelled with its last one. */
  cancel(operation: Operation, reason: string): void
  /** Ends the task with a serialised ExecuteResponse for all of its operations. */
  end(task: Task, response: Uint8Array, outcome: Outcome): void
  fail(task: Task, error: RpcError): void
}

const fullRetryMs = 5_000

/** @param idle called whenever the last action in flight has ended */
export function createTasks(house: House, idle: () => void): Tasks {
  const { clock, log, meters } = house
  const now = clock.now
  const registry = createRegistry(house.newName, now)
  const streams = createStreams(now)
  const leases = createLeases<Task, Worker>(house.leaseMs, house.newLease)
  const dispatch = createDispatch<Task, Worker>({ now, workerWaitMs: house.workerWaitMs, assign })
  const active = new Set<Task>()
  const packLuggage = createLuggageRoom()
  // Rule 30: only what may be cached may be merged, so only that stands here.
  const mergeable = new Map<string, Task>()
  let arrivals = 0

  function assign(task: Task, worker: Worker): void {
    task.attempts += 1
    task.assignedAt = now()
    const lease = leases.grant(task, worker, task.assignedAt)
    task.attempt = { lease, ...streams.open(lease.id) }
    worker.tell({ assign: assignment(task, lease.id) })
    task.luggage.drop()
    meters.queueSeconds((task.assignedAt - task.queuedAt) / 1000)
    const progress = progressOf(task)
    for (const operation of task.operations) operation.move('executing', progress)
  }

  function endAttempt(task: Task, error?: RpcError): void {
    if (!task.attempt) return
    const { lease, stdout, stderr } = task.attempt
    stdout.end(error)
    stderr.end(error)
    streams.ended(lease.id)
    task.attempt = undefined
  }

  function attach(task: Task, client: ClientFacts): Operation {
    const { operation } = registry.create(task.digest, client, task)
    operation.move('queued', progressOf(task))
    if (task.attempt || task.settling) operation.move('executing', progressOf(task))
    return operation
  }

  /** What a further client asks for counts as far as it still can. */
  function join(task: Task, { priority, inline }: Wanted): void {
    if (task.position < 0) return
    task.inline.stdout ||= inline.stdout
    task.inline.stderr ||= inline.stderr
    for (const path of inline.outputFiles)
      if (task.inline.outputFiles.size < inlineFilesMax) task.inline.outputFiles.add(path)
    if (priority >= task.priority) return
    dispatch.remove(task)
    task.priority = priority
    dispatch.enqueue(task)
  }

  /** Nobody wants the worker's answer any more; the lease keeps its slot until the worker lets go. */
  function callOff(task: Task, reason: string): void {
    const lease = task.attempt?.lease
    if (!lease) return
    lease.task = undefined
    lease.worker.tell({ cancel: { leaseId: lease.id, reason } })
  }

  function end(task: Task, response: Uint8Array, outcome: Outcome, reason = 'the action has ended'): void {
    if (!active.delete(task)) return
    const key = digestKey(task.digest)
    if (mergeable.get(key) === task) mergeable.delete(key)
    task.keep()
    task.luggage.drop()
    dispatch.remove(task)
    callOff(task, reason)
    endAttempt(task)
    for (const operation of [...task.operations]) registry.complete(operation, response)
    meters.ended(outcome)
    if (active.size === 0) idle()
  }

  function fail(task: Task, error: RpcError): void {
    log.warn('action failed', { ...taskFields(task), code: error.code, reason: error.message })
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
    merge(wanted, client) {
      const task = mergeable.get(digestKey(wanted.digest))
      // Rule 30: a result that must not predate the request may be that of a run, not of one that is over.
      if (!task || (task.settling && wanted.skipCacheLookup)) return undefined
      join(task, wanted)
      meters.merged()
      return attach(task, client)
    },
    begin(wanted, { action, read }, client) {
      const verdict = dispatch.verdict(action.platform)
      if (verdict.kind === 'refuse') throw new RpcError(Code.FAILED_PRECONDITION, verdict.text)
      if (dispatch.waiting >= house.queueMax)
        throw retryLater(`the queue is full: ${dispatch.waiting} actions wait`, fullRetryMs)
      arrivals += 1
      const task = createTask(wanted, action, packLuggage(read), client, arrivals, now())
      active.add(task)
      if (!action.doNotCache) mergeable.set(digestKey(task.digest), task)
      const operation = attach(task, client)
      dispatch.enqueue(task)
      return operation
    },
    release(id, worker) {
      const lease = leases.held(id, worker)
      if (!lease) return undefined
      leases.end(lease)
      worker.free += 1
      const { task } = lease
      if (task) endAttempt(task)
      dispatch.freed(worker)
      return task
    },
    again(task, reason) {
      endAttempt(task, new RpcError(Code.UNAVAILABLE, reason))
      if (task.attempts > house.requeuesMax) {
        fail(task, new RpcError(Code.UNAVAILABLE, `given to ${task.attempts} workers, the last one failed: ${reason}`))
        return
      }
      log.warn('action queued again', { ...taskFields(task), attempts: task.attempts, reason })
      meters.requeued()
      task.queuedAt = now()
      for (const operation of task.operations) operation.move('queued', progressOf(task))
      dispatch.enqueue(task)
    },
    cancel(operation, reason) {
      const task = registry.find(operation.name)?.task
      if (operation.done || !task) return
      registry.complete(operation, failedResponse(new RpcError(Code.CANCELLED, `cancelled: ${reason}`)))
      // A task that is about to store its result goes on: what is left of it is free.
      if (task.operations.size > 0 || task.settling) return
      log.info('action cancelled', { ...taskFields(task), reason })
      end(task, new Uint8Array(), 'cancelled', reason)
    },
  }
}

/** What logs say of a task. */
export function taskFields(task: Task): object {
  return { action: digestText(task.digest), ...clientFields(task.client) }
}

function assignment(task: Task, leaseId: string): workerApi.Assign.$Properties {
  return {
    leaseId,
    instanceName: task.instance,
    digestFunction: digestFunctions[task.digest.fn].value,
    actionDigest: { hash: task.digest.hash, sizeBytes: task.digest.size },
    action: task.action.bytes,
    queued: toTimestamp(task.createdAt),
    timeout: toDuration(task.action.timeoutMs),
    inlineStdout: task.inline.stdout,
    inlineStderr: task.inline.stderr,
    inlineOutputFiles: [...task.inline.outputFiles],
    blobs: [...task.luggage.blobs],
  }
}
