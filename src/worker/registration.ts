import { backoffMs, spreadMs } from '../core/backoff.ts'
import { messageOf } from '../core/failure.ts'
import type { PlatformProperty } from '../core/platform.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { openSession, type Session, type SessionOptions } from './session.ts'

export interface RegistrationOptions
  extends Omit<SessionOptions, 'properties' | 'onWelcome' | 'onDrain' | 'nextNumber'> {
  /** The properties that the worker declares each time it registers. */
  readonly properties: () => readonly PlatformProperty[]
  /** Settles when `properties` are complete; the worker registers only then. */
  readonly ready: Promise<unknown> | undefined
  /** Called when the scheduler has accepted this worker, and when the connection is lost. */
  readonly onConnected: ((connected: boolean) => void) | undefined
  /** From 0 to 1; adds jitter to reconnects, so that many workers do not retry at the same time. */
  readonly random: () => number
}

/** A worker's registration with its scheduler, which is renewed whenever it is lost. */
export interface Registration {
  /** True while registered with the scheduler. */
  readonly connected: boolean
  /** Running actions. */
  readonly running: number
  /** Why there is no work, as a sentence; undefined while there is. */
  readonly idleBecause: string | undefined
  /** Accepts no more actions, finishes the running ones, says good-bye, and ends. */
  leave(reason: string): void
  /** Stops registering again: for when the signal has ended the session. */
  stop(): void
  /** Settles when it has left, or was stopped, and nothing is running any more. */
  readonly ended: Promise<void>
}

const retryMsMin = 100
const retryMsMax = 5_000
/** The limit where one side has refused the other, which only a person can resolve. */
const refusedMsMax = 30_000
const refusals: ReadonlySet<number> = new Set([Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.FAILED_PRECONDITION])
/** For this long after its own start a worker assumes that a scheduler that does not answer is still starting. */
const startMsMax = 10_000

/**
 * Registers a worker, and registers again whenever the scheduler was away or has refused it, until the worker leaves.
 */
export function register(options: RegistrationOptions): Registration {
  const { context, log } = options
  const { clock } = context
  let session: Session | undefined
  let connected = false
  let leaving: string | undefined
  let failures = 0
  let idleBecause: string | undefined
  let refused = false
  let taken = false
  const began = clock.now()
  let numbers = 0
  let wake: () => void = () => undefined

  const setConnected = (now: boolean) => {
    if (now !== connected) options.onConnected?.(now)
    connected = now
  }
  const leave = (reason: string) => {
    leaving ??= reason
    session?.leave(reason)
    wake()
  }
  const open = (): Session =>
    openSession({
      ...options,
      properties: options.properties(),
      nextNumber: () => ++numbers,
      onWelcome() {
        setConnected(true)
        taken = true
        failures = 0
        idleBecause = undefined
        refused = false
        log.info('registered with the scheduler', { worker: context.worker, slots: options.slots })
      },
      onDrain: () => leave('the scheduler asked for it'),
    })
  const waitToRetry = () => {
    failures += 1
    const ms = backoffMs(failures, { msMin: retryMsMin, msMax: refused ? refusedMsMax : retryMsMax })
    return new Promise<void>((resolve) => {
      const cancel = clock.after(spreadMs(ms, options.random()), resolve)
      wake = () => {
        cancel()
        resolve()
      }
    })
  }
  const tellLost = (error: unknown) => {
    const away = error instanceof RpcError && error.code === Code.UNAVAILABLE
    const reason = messageOf(error)
    refused = error instanceof RpcError && refusals.has(error.code)
    idleBecause = `${refused ? 'this worker cannot register with the scheduler' : 'the scheduler cannot be reached'}: ${reason}`
    // The servers of a cluster start together, so it is not worth a warning if one of them is ready a moment later.
    if (away && !taken && clock.now() - began < startMsMax) log.info('the scheduler does not answer yet', { reason })
    else log.warn(away ? 'the scheduler does not answer' : 'no work from the scheduler', { reason })
  }
  const stayRegistered = async (): Promise<void> => {
    if (options.ready) await options.ready
    while (leaving === undefined) {
      session = open()
      try {
        await session.ended
      } catch (error) {
        if (leaving === undefined) tellLost(error)
      }
      session = undefined
      setConnected(false)
      if (leaving === undefined) await waitToRetry()
    }
  }
  return {
    get connected() {
      return connected
    },
    get running() {
      return session?.running ?? 0
    },
    get idleBecause() {
      return connected ? undefined : idleBecause
    },
    leave,
    stop() {
      leaving ??= 'closing'
      wake()
    },
    ended: stayRegistered(),
  }
}
