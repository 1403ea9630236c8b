import { join } from 'node:path'
import { createCasClient } from '../client/cas.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/failure.ts'
import type { PlatformProperty } from '../core/platform.ts'
import { isDiskFull } from '../host/system-errors.ts'
import type { Log } from '../telemetry/log.ts'
import type { Channel } from '../wire/rpc.ts'
import { type Content, openContent } from './content.ts'
import type { ImageSettings } from './images/settings.ts'
import { createImages } from './images/store.ts'
import { inputSource } from './input-source.ts'
import { type Isolation, observeIsolation } from './isolation.ts'
import type { Limits } from './limits/limits.ts'
import { createMessages } from './messages.ts'
import type { PoolLimits } from './persistent/idle-tools.ts'
import { createPersistentTools } from './persistent/persistent-tools.ts'
import { createRemover } from './remover.ts'
import { checkedPaths } from './sandbox/paths.ts'
import { createSpawner, waysOf } from './spawner.ts'
import { createTroubles } from './troubles.ts'
import { makeWorkFolder } from './work-folder.ts'
import type { WorkerContext } from './worker-context.ts'

export interface WorkerPartsOptions {
  readonly cas: Channel
  /** The instance name used with the storage; default: the empty name. */
  readonly instance?: string
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
  readonly clock: Clock
  readonly log: Log
}

/** What runs the actions of one worker, whatever becomes of its connection. */
export interface WorkerParts {
  readonly context: WorkerContext
  readonly content: Content
  readonly isolation: Isolation
  /** What is wrong with the machine, in whole sentences. */
  notes(): string[]
  /** Kills what runs, and waits for removals. */
  close(): Promise<void>
}

/** With the client's back-off this outlasts a restart of the storage: about 10 s. */
const casAttemptsMax = 8
/** How much is freed on a full disk beyond what inputs free for themselves. */
const freedBytes = 64 * 1024 * 1024

/**
 * @param directory the real path of the worker's folder, which is locked
 * @param signal aborts what it fetches
 */
export function openWorkerParts(options: WorkerPartsOptions, directory: string, signal: AbortSignal): WorkerParts {
  const { clock, log, images, limits = {}, sandbox: setting = 'off' } = options
  const cas = createCasClient(options.cas, {
    clock,
    attemptsMax: casAttemptsMax,
    ...(options.instance && { instance: options.instance }),
  })
  const work = makeWorkFolder(directory)
  const remover = createRemover({ work: work.path, outgoing: work.outgoing }, clock, log)
  const discard = remover.remove
  for (const path of work.former) discard(path)
  const content = openContent(join(directory, 'cache'), options.cacheSizeBytes, cas, signal, discard)
  const paths = checkedPaths(options.sandboxPaths ?? [], directory)
  const sandbox = { directory: join(work.path, 'cells'), paths, discard }
  const spawner = createSpawner({ directory: join(directory, 'slots'), ways: waysOf(setting), limits, sandbox })
  const troubles = createTroubles(clock, remover)
  const inputs = inputSource({ way: options.inputs, content, spawner, directory, remove: discard })
  const tools = { slots: options.slots, inputs, spawner, clock, log, directory: work.path }
  const persistentTools = options.persistent && createPersistentTools({ limits: options.persistent, ...tools })
  const context: WorkerContext = {
    worker: options.name,
    cas,
    inputs,
    persistentTools,
    images: images && createImages({ ...images, directory: join(directory, 'images'), discard, clock, log, signal }),
    usualImage: images?.usual,
    properties: options.properties,
    messages: createMessages(cas),
    spawner,
    remover,
    clock,
    graceMs: options.graceMs,
    limits,
    directory: work.path,
    onTrouble(error) {
      troubles.note(error)
      log.warn("an action was given back because of this machine's state", { reason: messageOf(error) })
      if (isDiskFull(error)) content.makeRoom(freedBytes)
    },
  }
  const isolation = observeIsolation({ spawner, sandbox, images, setting, log })
  return {
    context,
    content,
    isolation,
    notes: () => [...troubles.texts(), ...isolation.notes(), ...spawner.notes()],
    async close() {
      await persistentTools?.close()
      await spawner.close()
      await remover.close()
    },
  }
}
