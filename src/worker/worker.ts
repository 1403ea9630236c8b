import { realpathSync } from 'node:fs'
import type { Secret } from '../core/secret.ts'
import { makeFolder } from '../host/folders.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Channel, Code } from '../wire/rpc.ts'
import { assertSandboxed } from './isolation.ts'
import { lockFolder } from './lock.ts'
import { register } from './registration.ts'
import { openWorkerParts, type WorkerParts, type WorkerPartsOptions } from './worker-parts.ts'

export interface WorkerOptions extends WorkerPartsOptions {
  readonly scheduler: Channel
  readonly version: string
  /** What the scheduler must prove to know, as this worker does. */
  readonly secret?: Secret | undefined
  readonly metrics: Metrics
  /** Called when the scheduler has accepted this worker, and when the connection is lost. */
  readonly onConnected?: (connected: boolean) => void
  /** A clock in milliseconds that keeps running while this process is stopped, and pauses while the machine sleeps. */
  readonly monotonicMs?: () => number
  /** From 0 to 1; adds jitter to reconnects, so that many workers do not retry at the same time. */
  readonly random?: () => number
}

export interface Worker {
  /** True while it is registered with the scheduler. */
  readonly connected: boolean
  /** Running actions. */
  readonly running: number
  /** What is wrong with its machine, in whole sentences; usually nothing. */
  notes(): string[]
  /** Accepts no more actions, finishes the running ones, says good-bye, and closes. */
  drain(): Promise<void>
  /** Kills running actions, and closes. */
  close(): Promise<void>
  /** Settles when it has closed: after drain or close, or because the scheduler asked it to leave. */
  readonly closed: Promise<void>
}

/**
 * Starts a worker: it locks its folder, connects to the scheduler, retrying while that is down, and runs the actions
 * that it is assigned.
 * @throws Failure 'unavailable' while another worker has the folder; the kinds of system errors when the folder cannot
 *   be created
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { metrics } = options
  makeFolder(options.directory, 'cannot make the folder of the worker')
  const directory = realpathSync(options.directory)
  const unlock = lockFolder(directory)
  const life = new AbortController()
  const parts = openWorkerParts(options, directory, life.signal)
  const { context, isolation } = parts
  const close = async () => {
    await parts.close()
    unlock()
  }
  if (options.sandbox === 'on') {
    try {
      await assertSandboxed(context.spawner)
    } catch (error) {
      await close()
      throw error
    }
  }
  const actions = metrics.counter('native_worker_actions_total', 'Actions that were answered.', ['status'])
  const registration = register({
    scheduler: options.scheduler,
    context,
    slots: options.slots,
    properties: () => [...options.properties, ...isolation.offers],
    // Whether it can offer images depends on the sandbox.
    ready: options.images ? context.spawner.way.catch(() => undefined) : undefined,
    version: options.version,
    secret: options.secret,
    log: options.log,
    signal: life.signal,
    ...(options.monotonicMs && { monotonicMs: options.monotonicMs }),
    random: options.random ?? Math.random,
    onConnected: options.onConnected,
    onFinished: (response) => actions.inc({ status: codeName(response.status?.code ?? 0) }),
  })
  publishGauges(metrics, {
    ...gaugesOf(parts, options.cacheSizeBytes),
    native_worker_running: ['Actions that run now.', () => registration.running],
  })
  const closed = registration.ended.finally(async () => {
    life.abort()
    await close()
  })
  return {
    get connected() {
      return registration.connected
    },
    get running() {
      return registration.running
    },
    notes: () => [...(registration.idleBecause === undefined ? [] : [registration.idleBecause]), ...parts.notes()],
    drain() {
      registration.leave('this worker is being stopped')
      return closed
    },
    close() {
      registration.stop()
      life.abort()
      return closed
    },
    closed,
  }
}

/** By name: what each is, and its value. */
type Gauges = Readonly<Record<string, readonly [string, () => number]>>

function gaugesOf({ context, content, isolation }: WorkerParts, cacheSizeBytes: number): Gauges {
  const { remover, persistentTools } = context
  return {
    native_worker_cache_bytes: ['Bytes of cached input files.', () => content.bytes],
    native_worker_cache_capacity_bytes: ['What they may take.', () => cacheSizeBytes],
    native_worker_fetched_bytes: ['Bytes of input files that were fetched.', () => content.fetchedBytes],
    native_worker_sandboxed: ['1 when actions run in a sandbox.', () => (isolation.sandboxed ? 1 : 0)],
    native_worker_tools: ['Persistent processes that are there.', () => persistentTools?.size ?? 0],
    native_worker_removals_waiting: ['Folders of actions to be removed.', () => remover.waiting],
    native_worker_folders_left: ['Folders that cannot be removed.', () => remover.leftCount],
  }
}

function publishGauges(metrics: Metrics, gauges: Gauges): void {
  for (const [name, [help, value]] of Object.entries(gauges)) metrics.gauge(name, help, [], value)
}

function codeName(code: number): string {
  return Object.entries(Code).find(([, value]) => value === code)?.[0] ?? String(code)
}
