import { Failure } from '../core/failure.ts'
import type { PlatformProperty } from '../core/platform.ts'
import type { Secret } from '../core/secret.ts'
import type { Log } from '../telemetry/log.ts'
import { type re, workerApi } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'
import { fromDuration } from '../wire/time.ts'
import { assertSpeaks, workerProtocol } from '../wire/worker-protocol.ts'
import { createAssignedActions } from './assigned-actions.ts'
import { createGreeting } from './greeting.ts'
import { createLeaseRenewals } from './lease-renewals.ts'
import { largestLimits } from './limits/requested.ts'
import { createOutbox } from './outbox.ts'
import type { WorkerContext } from './worker-context.ts'

const method = 'native.worker.v1.Workers/Work'
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
  const gone = new AbortController()
  let leaving = false
  let stopGoodbye: () => void = () => undefined

  const send = (message: workerApi.FromWorker.$Properties) => outbox.push(workerApi.FromWorker.encode(message).finish())
  const endWhenIdle = () => {
    if (!leaving || actions.size > 0) return
    outbox.end()
    stopGoodbye = context.clock.after(goodbyeMs, () => gone.abort())
  }
  const actions = createAssignedActions({
    context,
    log,
    nextNumber: options.nextNumber,
    send,
    queuedBytes: () => outbox.bytes,
    onFinished: options.onFinished,
    onAnswered: endWhenIdle,
  })
  const renewals = createLeaseRenewals({
    clock: context.clock,
    monotonicMs,
    unsentMs: outbox.waitingMs,
    renew: () => send({ renew: { leaseIds: actions.leaseIds() } }),
    lost(silentMs) {
      log.warn('leases could not be renewed in time; running actions are abandoned', {
        silentMs,
        actions: actions.size,
      })
      gone.abort(new Failure('unavailable', `no lease could be renewed for ${Math.round(silentMs)} ms`))
    },
  })

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
      renewals.start(leaseMs)
    } else if (message.assign) actions.begin(message.assign)
    else if (message.cancel) actions.cancel(message.cancel.leaseId ?? '', message.cancel.reason || 'cancelled')
    else if (message.drain) options.onDrain()
  }

  const stream = async (): Promise<void> => {
    outbox.push(greeting.hello)
    try {
      const signal = AbortSignal.any([options.signal, gone.signal])
      for await (const bytes of options.scheduler.bidi(method, outbox.messages, { signal }))
        receive(workerApi.ToWorker.decode(bytes))
    } finally {
      renewals.stop()
      stopGoodbye()
      outbox.end()
      await actions.end('the worker has lost its scheduler')
    }
  }

  return {
    get running() {
      return actions.size
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
