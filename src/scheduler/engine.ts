import { createActionsClient } from '../client/actions.ts'
import { digestText } from '../core/digest.ts'
import { messageOf } from '../core/failure.ts'
import { spanText } from '../core/units.ts'
import { forExecute } from '../wire/for-execute.ts'
import type { Channel } from '../wire/rpc.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { noWorkerCame, retryLater } from '../wire/status.ts'
import type { Admissions } from './admission.ts'
import { type ClientFacts, clientFields } from './client.ts'
import type { SchedulerContext } from './context.ts'
import type { Expired } from './dispatch.ts'
import type { ExecuteRequest } from './execute-request.ts'
import { createFleet, type Fleet } from './fleet.ts'
import { createListeners } from './listeners.ts'
import { fitsTrailers } from './missing.ts'
import type { Operation } from './operation.ts'
import { recordUnbegun } from './recorded.ts'
import type { Registry } from './registry.ts'
import { createRepeats } from './repeats.ts'
import { cachedResponse, failedResponse } from './response.ts'
import type { StoreResult } from './settle.ts'
import { createSignsOfLife, waitingFor } from './signs-of-life.ts'
import type { Streams } from './streams.ts'
import { isQueued, type Task } from './task.ts'
import { createTasks, type Tasks } from './tasks.ts'
import { startTicks } from './ticks.ts'

/** The scheduler without its wire protocol: what the services in this room call. */
export interface Engine {
  readonly tasks: Tasks
  readonly fleet: Fleet
  readonly registry: Registry
  readonly streams: Streams
  readonly draining: boolean
  /**
   * An operation for the action: on the identical one in flight, on a cached result, or on a run of its own.
   * @throws RpcError or Failure when no operation is started (rule 24)
   */
  execute(request: ExecuteRequest, client: ClientFacts, signal: AbortSignal): Promise<Operation>
  /**
   * Counts a call that follows the operation, until the returned function is called. When the last one has gone, the
   * signals of those calls say whether their clients may come back.
   */
  listen(operation: Operation, signal: AbortSignal): () => void
  /**
   * Refuses new actions and rejects those that are queued; settles when the running ones have ended or the time is up.
   */
  drain(timeoutMs?: number): Promise<void>
  /** Ends everything at once. */
  close(): void
}

const drainRetryMs = 1_000
const storeMsMax = 10_000

export function createEngine(context: SchedulerContext, cas: Channel, admissions: Admissions): Engine {
  const { clock, log } = context
  const tasks = createTasks(context, noteIdle, (task) => repeats.giveWay(task))
  const repeats = createRepeats(context, tasks, context.repeatShare, Math.random)
  const fleet = createFleet(context, tasks, storeIn(context, tasks.registry, cas), repeats)
  const tellOfBuilds = createSignsOfLife(context, tasks, cas)
  const { registry, streams, dispatch } = tasks
  const listen = createListeners(context, tasks)
  const drained = new Set<() => void>()
  let draining = false

  function refuseWhileDraining(): void {
    if (draining) throw retryLater('the scheduler is shutting down', drainRetryMs)
  }

  function ended(client: ClientFacts, request: ExecuteRequest, response: Uint8Array): Operation {
    const { operation } = registry.create(request.digest, client, undefined)
    registry.complete(operation, response)
    return operation
  }

  async function execute(request: ExecuteRequest, client: ClientFacts, signal: AbortSignal): Promise<Operation> {
    refuseWhileDraining()
    const shared = tasks.merge(request, client)
    if (shared) return shared
    try {
      const admission = await admissions.admit(request, client)
      refuseWhileDraining()
      if (signal.aborted) throw new RpcError(Code.CANCELLED, 'the client has gone')
      if (admission.kind === 'run') return tasks.merge(request, client) ?? tasks.begin(request, admission, client)
      context.meters.cached()
      recordUnbegun(context, request, client, admission)
      return ended(client, request, cachedResponse(admission.result))
    } catch (error) {
      log.info('action not started', {
        action: digestText(request.digest),
        ...clientFields(client),
        reason: messageOf(error),
      })
      recordUnbegun(context, request, client, { error })
      // Details too large for trailers reach the client inside an operation that has ended.
      if (error instanceof RpcError && !fitsTrailers(error)) return ended(client, request, failedResponse(error))
      throw error
    }
  }

  function noteIdle(): void {
    for (const resolve of drained) resolve()
    drained.clear()
  }

  function look(lateMs: number): void {
    // Messages that workers sent meanwhile have to be read first.
    if (lateMs > 0) fleet.forgive(lateMs)
    fleet.check()
    for (const { task, refusal } of dispatch.expire()) tasks.fail(task, untakenError(context, refusal))
    registry.expire()
    streams.expire()
    tasks.look()
    repeats.begin()
    tellOfBuilds()
  }

  const stopTicks = startTicks(context, look)
  return {
    tasks,
    fleet,
    registry,
    streams,
    get draining() {
      return draining
    },
    execute,
    listen,
    async drain(timeoutMs) {
      draining = true
      repeats.close()
      const waiting = [...tasks.active].filter(isQueued)
      for (const task of waiting) tasks.fail(task, retryLater('the scheduler is shutting down', drainRetryMs))
      if (tasks.active.size === 0) return
      await new Promise<void>((resolve) => {
        drained.add(resolve)
        if (timeoutMs !== undefined) clock.after(timeoutMs, resolve)
      })
    },
    close() {
      draining = true
      stopTicks()
      repeats.close()
      for (const task of [...tasks.active]) tasks.fail(task, retryLater('the scheduler has stopped', drainRetryMs))
      for (const worker of [...fleet.workers]) {
        fleet.lose(worker, 'the scheduler is shutting down')
        worker.dismiss(new RpcError(Code.UNAVAILABLE, 'the scheduler is shutting down'))
      }
    },
  }
}

/** Rule 26: no worker is connected, which may pass; or those that are cannot run it, which will not. */
function untakenError({ workerWaitMs }: SchedulerContext, refusal: Expired<Task>['refusal']): RpcError {
  if (refusal) return new RpcError(Code.FAILED_PRECONDITION, refusal)
  const nobody = `no worker that could take it came within ${spanText(workerWaitMs)}`
  return noWorkerCame(`${nobody}: no worker is connected`)
}

/** Stores a result, which is kept for all builds that wait for it: one stores it, the others ask for it. */
function storeIn(context: SchedulerContext, registry: Registry, cas: Channel): StoreResult {
  return async (task, result) => {
    const { instance, digest } = task
    const options = { instance, fn: digest.fn, clock: context.clock, timeoutMs: storeMsMax, attemptsMax: 2 }
    try {
      const [first, ...others] = waitingFor(task, registry).values()
      const client = (metadata: string | undefined) =>
        createActionsClient(cas, { ...options, metadata: forExecute(metadata) })
      await client(first).update(digest, result)
      await Promise.all(others.map((metadata) => client(metadata).get(digest)))
    } catch (error) {
      context.log.warn('result not stored', { action: digestText(digest), error })
    }
  }
}
