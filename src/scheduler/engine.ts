import { createActionsClient } from '../client/actions.ts'
import { digestText } from '../core/digest.ts'
import { messageOf } from '../core/failure.ts'
import type { Channel } from '../wire/rpc.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { retryLater } from '../wire/status.ts'
import type { Admissions } from './admission.ts'
import { type ClientFacts, clientFields } from './client.ts'
import type { Expired } from './dispatch.ts'
import { createFleet, type Fleet } from './fleet.ts'
import type { House } from './house.ts'
import { fitsTrailers } from './missing.ts'
import type { Operation } from './operation.ts'
import type { Registry } from './registry.ts'
import { cachedResponse, failedResponse } from './response.ts'
import type { StoreResult } from './settle.ts'
import type { Streams } from './streams.ts'
import type { Task } from './task.ts'
import { createTasks, type Tasks } from './tasks.ts'
import type { Wanted } from './wanted.ts'

/** The scheduler without its wire: what the services in this room speak to. */
export interface Engine {
  readonly tasks: Tasks
  readonly fleet: Fleet
  readonly registry: Registry
  readonly streams: Streams
  readonly draining: boolean
  /**
   * An operation for the action: on the identical one in flight, on a cached result, or on a
   * run of its own.
   * @throws RpcError or Failure when no operation begins (rule 24)
   */
  execute(wanted: Wanted, client: ClientFacts, signal: AbortSignal): Promise<Operation>
  /** Counts a stream that follows the operation, until the answer is called. */
  listen(operation: Operation): () => void
  /** Refuses new actions, sends away those that wait; settles when those that run have ended or the time is over. */
  drain(timeoutMs?: number): Promise<void>
  /** Ends everything at once. */
  close(): void
}

const drainRetryMs = 1_000
const storeMsMax = 10_000
/** How often bounds in time are looked at, at the most and at the least. */
const tickMsMin = 10
const tickMsMax = 1_000

export function createEngine(house: House, cas: Channel, admissions: Admissions): Engine {
  const { clock, log } = house
  const tasks = createTasks(house, noteIdle)
  const fleet = createFleet(house, tasks, storeIn(house, cas))
  const { registry, streams, dispatch } = tasks
  const drained = new Set<() => void>()
  let draining = false
  let closed = false
  let stopTicking: () => void = () => undefined

  function refuseWhileDraining(): void {
    if (draining) throw retryLater('the scheduler is shutting down', drainRetryMs)
  }

  function ended(client: ClientFacts, wanted: Wanted, response: Uint8Array): Operation {
    const { operation } = registry.create(wanted.digest, client, undefined)
    registry.complete(operation, response)
    return operation
  }

  async function execute(wanted: Wanted, client: ClientFacts, signal: AbortSignal): Promise<Operation> {
    refuseWhileDraining()
    const shared = tasks.merge(wanted, client)
    if (shared) return shared
    try {
      const admission = await admissions.admit(wanted)
      refuseWhileDraining()
      if (signal.aborted) throw new RpcError(Code.CANCELLED, 'the client has gone')
      if (admission.kind === 'run') return tasks.merge(wanted, client) ?? tasks.begin(wanted, admission, client)
      house.meters.cached()
      return ended(client, wanted, cachedResponse(admission.result))
    } catch (error) {
      log.info('action not begun', {
        action: digestText(wanted.digest),
        ...clientFields(client),
        reason: messageOf(error),
      })
      // Details that trailers cannot carry reach the client inside an operation that has ended.
      if (error instanceof RpcError && !fitsTrailers(error)) return ended(client, wanted, failedResponse(error))
      throw error
    }
  }

  function abandon(task: Task): void {
    const reason = `no client has listened for ${house.abandonMs} ms`
    for (const operation of [...task.operations]) tasks.cancel(operation, reason)
  }

  function listen(operation: Operation): () => void {
    const task = registry.find(operation.name)?.task
    if (!task) return () => undefined
    task.listeners += 1
    task.keep()
    return () => {
      task.listeners -= 1
      if (task.listeners > 0 || task.operations.size === 0) return
      task.keep()
      task.keep = clock.after(house.abandonMs, () => abandon(task))
    }
  }

  function noteIdle(): void {
    for (const resolve of drained) resolve()
    drained.clear()
  }

  /** Rule 26: nobody is there, which may pass; or those who are there cannot, which stays. */
  function expire({ task, refusal }: Expired<Task>): void {
    const nobody = `no worker that could take it came within ${house.workerWaitMs} ms`
    const error = refusal
      ? new RpcError(Code.FAILED_PRECONDITION, refusal)
      : new RpcError(Code.UNAVAILABLE, `${nobody}: no worker is connected`)
    tasks.fail(task, error)
  }

  /** @param due when this tick was to come */
  function tick(due: number): void {
    const lateMs = clock.now() - due
    // A machine that slept or was starved first has to read what workers have sent meanwhile.
    if (lateMs > tickMs(house)) fleet.forgive(lateMs)
    fleet.check()
    for (const each of dispatch.expire()) expire(each)
    registry.expire()
    streams.expire()
    if (!closed) tickLater()
  }

  function tickLater(): void {
    const due = clock.now() + tickMs(house)
    stopTicking = clock.after(tickMs(house), () => tick(due))
  }

  tickLater()
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
      const waiting = [...tasks.active].filter((task) => task.position >= 0)
      for (const task of waiting) tasks.fail(task, retryLater('the scheduler is shutting down', drainRetryMs))
      if (tasks.active.size === 0) return
      await new Promise<void>((resolve) => {
        drained.add(resolve)
        if (timeoutMs !== undefined) clock.after(timeoutMs, resolve)
      })
    },
    close() {
      draining = true
      closed = true
      stopTicking()
      for (const task of [...tasks.active]) tasks.fail(task, retryLater('the scheduler has stopped', drainRetryMs))
      for (const worker of [...fleet.workers]) {
        fleet.lose(worker, 'the scheduler stops')
        worker.dismiss(new RpcError(Code.UNAVAILABLE, 'the scheduler stops'))
      }
    },
  }
}

function storeIn(house: House, cas: Channel): StoreResult {
  return async (task, result) => {
    const { instance, digest } = task
    const options = { instance, fn: digest.fn, clock: house.clock, timeoutMs: storeMsMax, attemptsMax: 2 }
    try {
      await createActionsClient(cas, options).update(digest, result)
    } catch (error) {
      house.log.warn('result not stored', { action: digestText(digest), error })
    }
  }
}

function tickMs({ leaseMs, workerWaitMs }: House): number {
  return Math.min(Math.max(Math.min(leaseMs, workerWaitMs) / 4, tickMsMin), tickMsMax)
}
