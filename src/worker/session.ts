import { setImmediate as nextTurn } from 'node:timers/promises'
import { Failure } from '../core/failure.ts'
import type { PlatformProperty } from '../core/platform.ts'
import type { Secret } from '../core/secret.ts'
import type { Log } from '../telemetry/log.ts'
import { type re, workerApi } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'
import { statusMessage } from '../wire/status.ts'
import { fromDuration } from '../wire/time.ts'
import { assertSpeaks, workerProtocol } from '../wire/worker-protocol.ts'
import { type Performed, performAction } from './action.ts'
import { ActionCancelled, actionError } from './action-error.ts'
import { assignmentOf } from './assignment.ts'
import { createGreeting } from './greeting.ts'
import { largestLimits } from './limits/requested.ts'
import { createOutbox } from './outbox.ts'
import type { WorkerContext } from './worker-context.ts'

const method = 'native.worker.v1.Workers/Work'
/** Renewals per lease duration: one may be lost without harm. */
const renewalsPerLease = 3
/** While more than this is queued for the scheduler, actions' output is not streamed. */
const outputBacklogBytesMax = 4 * 1024 * 1024
const leaseMsMin = 300
/** How long the scheduler may take to end the stream after a good-bye. */
const goodbyeMs = 5_000

export interface SessionOptions {
  readonly scheduler: Channel
  readonly context: WorkerContext
  readonly slots: number
  readonly properties: readonly PlatformProperty[]
  readonly version: string
  /** A secret that scheduler and worker prove to each other that they know; without it neither has to. */
  readonly secret?: Secret | undefined
  readonly log: Log
  /** Ends the session and kills running actions. */
  readonly signal: AbortSignal
  /** The scheduler has said welcome. */
  readonly onWelcome: () => void
  /** The scheduler wants this worker to finish and leave. */
  readonly onDrain: () => void
  readonly onFinished: (response: re.ExecuteResponse.$Properties) => void
  readonly nextNumber: () => number
  /** A clock in milliseconds that keeps running while this process is stopped, and pauses while the machine sleeps. */
  readonly monotonicMs?: () => number
}

/** One stream to the scheduler, from hello to its end. */
export interface Session {
  /** Running actions. */
  readonly running: number
  /** Accepts no more actions, finishes the running ones, then ends. */
  leave(reason: string): void
  /**
   * Settles when the stream has ended and nothing of it is running any more. Actions that were running when it broke
   * have been killed: the scheduler gives them to another worker, so nobody would want their answers. The same applies
   * after a lease duration in which no renewal could be sent: the stream is then given up.
   * @throws RpcError the stream's error
   */
  readonly ended: Promise<void>
}

/** Opens a stream to the scheduler and runs its assignments. */
export function openSession(options: SessionOptions): Session {
  const { context, log } = options
  const monotonicMs = options.monotonicMs ?? (() => performance.now())
  const outbox = createOutbox(monotonicMs)
  const greeting = createGreeting(
    {
      worker: context.worker,
      slots: options.slots,
      properties: options.properties.map(({ name, value }) => ({ name, value })),
      limits: largestLimits(context.limits),
      version: options.version,
      protocol: workerProtocol,
    },
    options.secret,
  )
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
    stopGoodbye = context.clock.after(goodbyeMs, () => gone.abort())
  }

  const renewEvery = (ms: number, leaseMs: number) => {
    stopRenewals()
    const lastMs = monotonicMs()
    stopRenewals = context.clock.after(ms, () => {
      // After a lease duration of silence all leases are lost, and others run these actions by now.
      const silentMs = Math.max(monotonicMs() - lastMs, outbox.waitingMs())
      if (silentMs >= leaseMs) giveUp(silentMs)
      else {
        send({ renew: { leaseIds: [...leases.keys()] } })
        renewEvery(ms, leaseMs)
      }
    })
  }
  const giveUp = (silentMs: number) => {
    log.warn('leases could not be renewed in time; running actions are abandoned', { silentMs, actions: leases.size })
    gone.abort(new Failure('unavailable', `no lease could be renewed for ${Math.round(silentMs)} ms`))
  }

  const work = async (assign: workerApi.Assign.$Properties): Promise<void> => {
    const leaseId = assign.leaseId ?? ''
    const controller = new AbortController()
    leases.set(leaseId, controller)
    let performed: Performed
    try {
      performed = await performAction(context, {
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
      performed = {
        response: { status: statusMessage(actionError(error, controller.signal)) },
        tidy: async () => undefined,
      }
    }
    const { response } = performed
    leases.delete(leaseId)
    options.onFinished(response)
    send({ finished: { leaseId, response } })
    endWhenIdle()
    // The answer is sent within the first turn.
    await nextTurn()
    await nextTurn()
    await performed.tidy()
  }

  const receive = (message: workerApi.ToWorker) => {
    if (message.challenge) {
      outbox.push(greeting.answer(message.challenge))
      return
    }
    greeting.assertKnown()
    if (message.welcome) {
      const { version, protocol } = message.welcome
      assertSpeaks(
        { what: 'the scheduler', version: version ?? '', protocol: protocol ?? 0 },
        { what: 'this worker', version: options.version },
      )
      const leaseMs = Math.max(fromDuration(message.welcome.lease ?? {}, 'lease'), leaseMsMin)
      options.onWelcome()
      renewEvery(leaseMs / renewalsPerLease, leaseMs)
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
    outbox.push(greeting.hello)
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
