import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { createCasClient } from '../client/cas.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/failure.ts'
import type { PlatformProperty } from '../core/platform.ts'
import type { Secret } from '../core/secret.ts'
import { makeFolder } from '../host/folders.ts'
import { isDiskFull } from '../host/system-errors.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Channel, Code } from '../wire/rpc.ts'
import { openContent } from './content.ts'
import type { ImageSettings } from './images/settings.ts'
import { createImages } from './images/store.ts'
import { inputSource } from './input-source.ts'
import { assertSandboxed, observeIsolation } from './isolation.ts'
import type { Limits } from './limits/limits.ts'
import { lockFolder } from './lock.ts'
import { createMessages } from './messages.ts'
import type { PoolLimits } from './persistent/idle-tools.ts'
import { createPersistentTools } from './persistent/persistent-tools.ts'
import { register } from './registration.ts'
import { createRemover } from './remover.ts'
import { checkedPaths } from './sandbox/paths.ts'
import { createSpawner, waysOf } from './spawner.ts'
import { createTroubles } from './troubles.ts'
import { makeWorkFolder } from './work-folder.ts'
import type { WorkerContext } from './worker-context.ts'

export interface WorkerOptions {
  readonly scheduler: Channel
  readonly cas: Channel
  /** Shown to people, and part of every result's metadata. */
  readonly name: string
  /** How many actions it runs at once. */
  readonly slots: number
  readonly properties: readonly PlatformProperty[]
  /** Its own folder, created if absent: the input cache, and a folder for each running action. */
  readonly directory: string
  readonly cacheSizeBytes: number
  /** The time between SIGTERM and SIGKILL for an action that timed out, in milliseconds. */
  readonly graceMs: number
  /** copy: new copies; auto: also untouched ones of earlier actions (spares.ts); links: cached files themselves (links.ts). */
  readonly inputs: 'auto' | 'copy' | 'links'
  /** on: actions run in a sandbox or not at all; auto: in one where the machine allows it. Default: off. */
  readonly sandbox?: 'auto' | 'on' | 'off'
  /** Absolute paths that actions in a sandbox see in addition to the machine's programs, read-only. */
  readonly sandboxPaths?: readonly string[]
  /** The limits of each action. */
  readonly limits?: Limits
  /** How long persistent tools are kept; if absent, there are none. */
  readonly persistent?: PoolLimits | undefined
  /** The images that actions may run in; if absent, none. */
  readonly images?: ImageSettings | undefined
  readonly version: string
  /** What the scheduler must prove to know, as this worker does. */
  readonly secret?: Secret | undefined
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Called when the scheduler has accepted this worker, and when the connection is lost. */
  readonly onConnected?: (connected: boolean) => void
  /** The instance name used with the storage; default: the empty name. */
  readonly instance?: string
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

/** With the client's back-off this outlasts a restart of the storage: about 10 s. */
const casAttemptsMax = 8
/** How much is freed on a full disk beyond what inputs free for themselves. */
const freedBytes = 64 * 1024 * 1024

/**
 * Starts a worker: it locks its folder, connects to the scheduler, retrying while that is down, and runs the actions
 * that it is assigned.
 * @throws Failure 'unavailable' while another worker has the folder; the kinds of system errors when the folder cannot
 *   be created
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { clock, log, metrics, images } = options
  makeFolder(options.directory, 'cannot make the folder of the worker')
  const directory = realpathSync(options.directory)
  const unlock = lockFolder(directory)
  const life = new AbortController()
  const cas = createCasClient(options.cas, {
    clock,
    attemptsMax: casAttemptsMax,
    ...(options.instance && { instance: options.instance }),
  })
  const work = makeWorkFolder(directory)
  const remover = createRemover({ work: work.path, outgoing: work.outgoing }, clock, log)
  for (const path of work.former) remover.remove(path)
  const content = openContent(join(directory, 'cache'), options.cacheSizeBytes, cas, life.signal)
  const sandbox = {
    directory: join(work.path, 'cells'),
    paths: checkedPaths(options.sandboxPaths ?? [], directory),
    discard: remover.remove,
  }
  const spawner = createSpawner({
    directory: join(directory, 'slots'),
    ways: waysOf(options.sandbox ?? 'off'),
    limits: options.limits ?? {},
    sandbox,
  })
  const troubles = createTroubles(clock, remover)
  const inputs = inputSource({ way: options.inputs, content, spawner, directory, remove: remover.remove })
  const persistentTools =
    options.persistent &&
    createPersistentTools({
      limits: options.persistent,
      slots: options.slots,
      inputs,
      spawner,
      clock,
      log,
      directory: work.path,
    })
  const context: WorkerContext = {
    worker: options.name,
    cas,
    inputs,
    persistentTools,
    images:
      images &&
      createImages({
        ...images,
        directory: join(directory, 'images'),
        discard: remover.remove,
        clock,
        log,
        signal: life.signal,
      }),
    usualImage: images?.usual,
    properties: options.properties,
    messages: createMessages(cas),
    spawner,
    remover,
    clock,
    graceMs: options.graceMs,
    limits: options.limits ?? {},
    directory: work.path,
    onTrouble(error) {
      troubles.note(error)
      log.warn("an action was given back because of this machine's state", { reason: messageOf(error) })
      if (isDiskFull(error)) content.makeRoom(freedBytes)
    },
  }
  const isolation = observeIsolation({ spawner, sandbox, images, setting: options.sandbox ?? 'off', log })
  if (options.sandbox === 'on') {
    try {
      await assertSandboxed(spawner)
    } catch (error) {
      await spawner.close()
      await remover.close()
      unlock()
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
    ready: images ? spawner.way.catch(() => undefined) : undefined,
    version: options.version,
    secret: options.secret,
    log,
    signal: life.signal,
    ...(options.monotonicMs && { monotonicMs: options.monotonicMs }),
    random: options.random ?? Math.random,
    onConnected: options.onConnected,
    onFinished: (response) => actions.inc({ status: codeName(response.status?.code ?? 0) }),
  })
  publishGauges(metrics, {
    native_worker_cache_bytes: ['Bytes of cached input files.', () => content.bytes],
    native_worker_cache_capacity_bytes: ['What they may take.', () => options.cacheSizeBytes],
    native_worker_fetched_bytes: ['Bytes of input files that were fetched.', () => content.fetchedBytes],
    native_worker_sandboxed: ['1 when actions run in a sandbox.', () => (isolation.sandboxed ? 1 : 0)],
    native_worker_tools: ['Persistent processes that are there.', () => persistentTools?.size ?? 0],
    native_worker_removals_waiting: ['Folders of actions to be removed.', () => remover.waiting],
    native_worker_folders_left: ['Folders that cannot be removed.', () => remover.leftCount],
    native_worker_running: ['Actions that run now.', () => registration.running],
  })
  const closed = registration.ended.finally(async () => {
    life.abort()
    await persistentTools?.close()
    await spawner.close()
    await remover.close()
    unlock()
  })
  return {
    get connected() {
      return registration.connected
    },
    get running() {
      return registration.running
    },
    notes: () => [
      ...(registration.idleBecause === undefined ? [] : [registration.idleBecause]),
      ...troubles.texts(),
      ...isolation.notes(),
      ...spawner.notes(),
    ],
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

/** @param gauges by name: what each is, and its value */
function publishGauges(metrics: Metrics, gauges: Readonly<Record<string, readonly [string, () => number]>>): void {
  for (const [name, [help, value]] of Object.entries(gauges)) metrics.gauge(name, help, [], value)
}

function codeName(code: number): string {
  return Object.entries(Code).find(([, value]) => value === code)?.[0] ?? String(code)
}
