import { setImmediate as nextTurn } from 'node:timers/promises'
import { digestFromWire } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { PlatformProperty } from '../core/platform.ts'
import type { Log } from '../telemetry/log.ts'
import { re, workerApi } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'
import { statusMessage } from '../wire/status.ts'
import { fromDuration, fromTimestamp } from '../wire/time.ts'
import { type Assignment, type Performed, performAction, type Workshop } from './action.ts'
import { ActionCancelled, actionError } from './action-error.ts'
import { createOutbox } from './outbox.ts'

const method = 'native.worker.v1.Workers/Work'
/** Renewals in one lease's span: one may be lost without harm. */
const renewalsPerLease = 3
/** While more than this waits for the scheduler, what actions write is not streamed to it. */
const outputBacklogBytesMax = 4 * 1024 * 1024
const leaseMsMin = 300
/** How long the scheduler may take to end the stream after a good-bye. */
const goodbyeMs = 5_000

export interface SessionOptions {
  readonly scheduler: Channel
  readonly shop: Workshop
  readonly slots: number
  readonly properties: readonly PlatformProperty[]
  readonly version: string
  readonly log: Log
  /** Ends the session and kills what runs. */
  readonly signal: AbortSignal
  /** The scheduler has said welcome. */
  readonly onWelcome: () => void
  /** The scheduler wants this worker to finish and leave. */
  readonly onDrain: () => void
  readonly onFinished: (response: re.ExecuteResponse.$Properties) => void
  readonly nextNumber: () => number
}

/** One stream to the scheduler, from hello to its end. */
export interface Session {
  /** Actions that run. */
  readonly running: number
  /** Takes no more, finishes what runs, then ends. */
  leave(reason: string): void
  /**
   * Settles when the stream has ended and nothing of it runs any more. Actions that ran when it
   * broke were killed: the scheduler gives them to another worker, so that their answers would
   * be for nobody.
   * @throws RpcError of the stream
   */
  readonly ended: Promise<void>
}

/** Opens a stream to the scheduler and works for it. */
export function openSession(options: SessionOptions): Session {
  const { shop, log } = options
  const outbox = createOutbox()
  const leases = new Map<string, AbortController>()
  const working = new Set<Promise<void>>()
  let leaving = false
  let stopRenewals: () => void = () => undefined
  let stopGoodbye: () => void = () => undefined

  const send = (message: workerApi.FromWorker.$Properties) => outbox.push(workerApi.FromWorker.encode(message).finish())
  const gone = new AbortController()
  const endWhenIdle = () => {
    if (!leaving || leases.size > 0) return
    outbox.end()
    stopGoodbye = shop.clock.after(goodbyeMs, () => gone.abort())
  }

  const renewEvery = (ms: number) => {
    send({ renew: { leaseIds: [...leases.keys()] } })
    stopRenewals = shop.clock.after(ms, () => renewEvery(ms))
  }

  const work = async (assign: workerApi.Assign.$Properties): Promise<void> => {
    const leaseId = assign.leaseId ?? ''
    const controller = new AbortController()
    leases.set(leaseId, controller)
    let performed: Performed
    try {
      performed = await performAction(shop, {
        ...assignmentOf(assign),
        number: options.nextNumber(),
        signal: controller.signal,
        onStarted: () => send({ started: { leaseId } }),
        onOutput: (stream, data) => {
          if (outbox.bytes <= outputBacklogBytesMax)
            send({ output: { leaseId, stream: stream === 'stdout' ? 0 : 1, data } })
        },
      })
    } catch (error) {
      // The assignment itself is malformed.
      performed = { response: { status: statusMessage(actionError(error, controller.signal)) }, tidy: () => undefined }
    }
    const { response } = performed
    leases.delete(leaseId)
    options.onFinished(response)
    send({ finished: { leaseId, response } })
    endWhenIdle()
    // The answer leaves within the first turn.
    await nextTurn()
    await nextTurn()
    performed.tidy()
  }

  const receive = (message: workerApi.ToWorker) => {
    if (message.welcome) {
      const leaseMs = Math.max(fromDuration(message.welcome.lease ?? {}, 'lease'), leaseMsMin)
      options.onWelcome()
      stopRenewals()
      stopRenewals = shop.clock.after(leaseMs / renewalsPerLease, () => renewEvery(leaseMs / renewalsPerLease))
    } else if (message.assign) {
      const task = work(message.assign)
      working.add(task)
      task.then(
        () => working.delete(task),
        (error: unknown) => {
          working.delete(task)
          log.error('an action could not be answered', { error })
        },
      )
    } else if (message.cancel) {
      leases.get(message.cancel.leaseId ?? '')?.abort(new ActionCancelled(message.cancel.reason || 'cancelled'))
    } else if (message.drain) options.onDrain()
  }

  const stream = async (): Promise<void> => {
    const { worker } = shop
    const properties = options.properties.map(({ name, value }) => ({ name, value }))
    send({ hello: { worker, slots: options.slots, properties, version: options.version } })
    try {
      const signal = AbortSignal.any([options.signal, gone.signal])
      for await (const bytes of options.scheduler.bidi(method, outbox.messages, { signal }))
        receive(workerApi.ToWorker.decode(bytes))
    } finally {
      stopRenewals()
      stopGoodbye()
      outbox.end()
      const reason = new ActionCancelled('the worker has lost its scheduler')
      for (const controller of leases.values()) controller.abort(reason)
      await Promise.all(working)
    }
  }

  return {
    get running() {
      return leases.size
    },
    leave(reason) {
      if (leaving) return
      leaving = true
      send({ leaving: { reason } })
      endWhenIdle()
    },
    ended: stream(),
  }
}

type AssignmentFacts = Omit<Assignment, 'number' | 'signal' | 'onStarted' | 'onOutput'>

/** @throws Failure 'invalid' for a message that a scheduler should not have sent */
function assignmentOf(assign: workerApi.Assign.$Properties): AssignmentFacts {
  const digest = digestFromWire(assign.actionDigest, assign.digestFunction ?? 0, 'action_digest')
  const timeoutMs = fromDuration(assign.timeout ?? {}, 'timeout')
  return {
    action: decodeAction(assign.action ?? new Uint8Array()),
    digest,
    queuedAt: assign.queued ? fromTimestamp(assign.queued, 'queued') : undefined,
    timeoutMs: timeoutMs > 0 ? timeoutMs : Number.POSITIVE_INFINITY,
    inlineStdout: assign.inlineStdout ?? false,
    inlineStderr: assign.inlineStderr ?? false,
    inlineOutputFiles: assign.inlineOutputFiles ?? [],
    blobs: assign.blobs ?? [],
  }
}

function decodeAction(bytes: Uint8Array): re.Action {
  try {
    return re.Action.decode(bytes)
  } catch (cause) {
    throw new Failure('invalid', 'the action is no Action message', { cause })
  }
}
