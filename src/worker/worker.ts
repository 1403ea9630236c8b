import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { createCasClient } from '../client/cas.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/failure.ts'
import type { PlatformProperty } from '../core/platform.ts'
import { makeFolder } from '../store/disk/make-folder.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Channel, Code } from '../wire/rpc.ts'
import { emptyWorkFolder, type Workshop } from './action.ts'
import { openContent } from './content.ts'
import { lockFolder } from './lock.ts'
import { createMessages } from './messages.ts'
import { openSession, type Session } from './session.ts'
import { createSpawner } from './spawner.ts'

export interface WorkerOptions {
  readonly scheduler: Channel
  readonly cas: Channel
  /** Shown to people and put in every result's metadata. */
  readonly name: string
  /** Actions that it runs at once. */
  readonly slots: number
  readonly properties: readonly PlatformProperty[]
  /** Its own folder, made if it is not there: the cache of inputs and a folder for each running action. */
  readonly directory: string
  readonly cacheSizeBytes: number
  readonly version: string
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Hears when the scheduler has taken this worker, and when it has lost it. */
  readonly onConnected?: (connected: boolean) => void
  /** The instance name for the storage; default: the empty name. */
  readonly instance?: string
  /** From 0 to 1; spreads the attempts of many workers to reach the scheduler. */
  readonly random?: () => number
}

export interface Worker {
  /** True while the scheduler knows it. */
  readonly connected: boolean
  /** Actions that run. */
  readonly running: number
  /** Takes no more, finishes what runs, says good-bye, and closes. */
  drain(): Promise<void>
  /** Kills what runs, and closes. */
  close(): Promise<void>
  /** Settles when it has closed: on drain or close, or because the scheduler asked it to leave. */
  readonly closed: Promise<void>
}

/** With the client's waits this outlasts a restart of the storage: about 10 s. */
const casAttemptsMax = 8
const retryMsMin = 100
const retryMsMax = 5_000

/**
 * Starts a worker: it takes its folder, reaches for the scheduler, again and again when that
 * is away, and runs what it is given.
 * @throws Failure 'precondition' when another worker has the folder, as makeFolder does
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { clock, log, metrics } = options
  makeFolder(options.directory, 'the worker')
  const directory = realpathSync(options.directory)
  const unlock = lockFolder(directory)
  const life = new AbortController()
  const cas = createCasClient(options.cas, {
    clock,
    attemptsMax: casAttemptsMax,
    ...(options.instance && { instance: options.instance }),
  })
  const work = join(directory, 'work')
  emptyWorkFolder(work)
  const content = openContent(join(directory, 'cache'), options.cacheSizeBytes, cas, life.signal)
  const spawner = createSpawner()
  const shop: Workshop = {
    worker: options.name,
    cas,
    content,
    messages: createMessages(cas),
    spawner,
    clock,
    directory: work,
  }
  const actions = metrics.counter('native_worker_actions_total', 'Actions that were answered.', ['status'])
  metrics.gauge('native_worker_cache_bytes', 'Bytes of cached input files.', [], () => content.bytes)
  metrics.gauge(
    'native_worker_fetched_bytes',
    'Bytes of input files that were fetched.',
    [],
    () => content.fetchedBytes,
  )

  let session: Session | undefined
  let connected = false
  let leaving: string | undefined
  let failures = 0
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
      scheduler: options.scheduler,
      shop,
      slots: options.slots,
      properties: options.properties,
      version: options.version,
      log,
      signal: life.signal,
      nextNumber: () => ++numbers,
      onWelcome() {
        setConnected(true)
        failures = 0
        log.info('the scheduler has taken this worker', { worker: options.name, slots: options.slots })
      },
      onDrain: () => leave('the scheduler asked for it'),
      onFinished: (response) => actions.inc({ status: codeName(response.status?.code ?? 0) }),
    })
  const waitToRetry = () => {
    const full = Math.min(retryMsMin * 2 ** failures, retryMsMax)
    failures = Math.min(failures + 1, 20)
    return new Promise<void>((resolve) => {
      const cancel = clock.after(full * (0.5 + (options.random ?? Math.random)() / 2), resolve)
      wake = () => {
        cancel()
        resolve()
      }
    })
  }
  const live = async (): Promise<void> => {
    while (leaving === undefined) {
      session = open()
      try {
        await session.ended
      } catch (error) {
        if (leaving === undefined) log.warn('the scheduler is away', { reason: messageOf(error) })
      }
      session = undefined
      setConnected(false)
      if (leaving === undefined) await waitToRetry()
    }
  }
  metrics.gauge('native_worker_running', 'Actions that run now.', [], () => session?.running ?? 0)

  const closed = live().finally(async () => {
    life.abort()
    await spawner.close()
    unlock()
  })
  return {
    get connected() {
      return connected
    },
    get running() {
      return session?.running ?? 0
    },
    drain() {
      leave('this worker is being stopped')
      return closed
    },
    close() {
      leaving ??= 'closing'
      life.abort()
      wake()
      return closed
    },
    closed,
  }
}

function codeName(code: number): string {
  return Object.entries(Code).find(([, value]) => value === code)?.[0] ?? String(code)
}
