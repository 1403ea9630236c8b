import type { RpcError } from '../wire/rpc.ts'
import { type Attempts, createAttempts } from './attempts.ts'
import type { SchedulerContext } from './context.ts'
import { createDispatch, type Dispatch } from './dispatch.ts'
import { createElsewhere } from './elsewhere.ts'
import { createLeases, type Leases } from './lease.ts'
import { createMergeable } from './mergeable.ts'
import type { Operation } from './operation.ts'
import { createQueueBounds } from './queue-bounds.ts'
import { errorEnd, recordEnd, runEnd } from './recorded.ts'
import { createRegistry, type Registry } from './registry.ts'
import { createRequeues, type Requeues } from './requeues.ts'
import { encodedResponse, failedResponse, killedResponse } from './response.ts'
import { createStreams, type Streams } from './streams.ts'
import { type Task, taskFields, type Worker } from './task.ts'
import { createTaskClients, type RunWatcher } from './task-clients.ts'
import { createTaskIntake, type TaskIntake } from './task-intake.ts'

/** How a task ended, for the metrics. */
export type Outcome = 'ok' | 'failed' | 'error' | 'cancelled'

/** All actions in flight, from start to end: how they are queued and assigned. */
export interface Tasks extends TaskIntake, Requeues {
  readonly active: ReadonlySet<Task>
  /** Number of those that wait for a worker. */
  readonly queued: number
  readonly registry: Registry
  readonly streams: Streams
  readonly leases: Leases<Task, Worker>
  readonly dispatch: Dispatch<Task, Worker>
  readonly attempts: Attempts
  /** Its worker releases it: the attempt is over and the slot free. @returns the task, if it is still wanted */
  release(id: string, worker: Worker): Task | undefined
  /** Ends one client's interest; the task continues for others, or is cancelled with the last one. */
  cancel(operation: Operation, reason: string): void
  /** Ends the task with a serialised ExecuteResponse for all of its operations. */
  end(task: Task, response: Uint8Array, outcome: Outcome): void
  /** Ends the task with an error, or with the answer of the worker that killed it for memory, if one did. */
  fail(task: Task, error: RpcError): void
  /** Time has passed, and workers may have come. */
  look(): void
  /** Reports runs from now on, until the returned function is called. */
  watch(watcher: RunWatcher): () => void
}

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
  const mergeable = createMergeable()
  const elsewhere = createElsewhere({ now, dispatch, assign, enqueue: enqueueAnywhere })
  const queued = () => dispatch.waiting + elsewhere.waiting

  function assign(task: Task, worker: Worker): void {
    const attempt = attempts.give(task, worker)
    meters.queueSeconds((task.assignedAt - task.queuedAt) / 1000)
    clients.executing(task, attempt)
  }

  function enqueue(task: Task): void {
    if (!elsewhere.place(task)) enqueueAnywhere(task)
  }

  function enqueueAnywhere(task: Task): void {
    dispatch.enqueue(task)
    if (task.position >= 0) waits(task)
  }

  function end(task: Task, response: Uint8Array, outcome: Outcome, reason = 'the action has ended'): void {
    if (!active.delete(task)) return
    mergeable.remove(task)
    bounds.release(task.heldBytes)
    task.keep()
    task.prefetched.drop()
    dispatch.remove(task)
    elsewhere.remove(task)
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
    get queued() {
      return queued()
    },
    registry,
    streams,
    leases,
    dispatch,
    attempts,
    end,
    fail,
    ...createTaskIntake(context, { active, bounds, clients, dispatch, queued, mergeable, enqueue }),
    ...createRequeues(context, { attempts, bounds, dispatch, requeue, fail }),
    look: elsewhere.look,
    watch: clients.watch,
    release(id, worker) {
      const lease = attempts.release(id, worker)
      if (lease) dispatch.freed(worker)
      if (lease) elsewhere.look()
      return lease?.task
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
