import { mkdirSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { type CasClient, createCasClient } from '../../src/client/cas.ts'
import { wireDigest } from '../../src/client/context.ts'
import { buildMerkleTree, treeSources } from '../../src/client/merkle.ts'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import type { Digest } from '../../src/core/digest.ts'
import { re } from '../../src/wire/proto.ts'
import { performAction } from '../../src/worker/action.ts'
import { openContent } from '../../src/worker/content.ts'
import { type ImageSettings, imageOffersOf } from '../../src/worker/images/settings.ts'
import { createImages } from '../../src/worker/images/store.ts'
import { inputSource } from '../../src/worker/input-source.ts'
import type { Limits } from '../../src/worker/limits/limits.ts'
import { createMessages } from '../../src/worker/messages.ts'
import type { PoolLimits } from '../../src/worker/persistent/idle-tools.ts'
import { createPersistentTools } from '../../src/worker/persistent/persistent-tools.ts'
import { createRemover } from '../../src/worker/remover.ts'
import { createSpawner, type SpawnerOptions } from '../../src/worker/spawner.ts'
import { makeWorkFolder } from '../../src/worker/work-folder.ts'
import type { WorkerContext } from '../../src/worker/worker-context.ts'
import { openRemote, type Remote } from '../client/remote.ts'
import { blobOf } from '../fixture/blob.ts'
import { testFolder } from '../fixture/folder.ts'
import { quietLog } from '../fixture/quiet-log.ts'

/** A worker's inside without a scheduler, over a real cache. */
export interface TestContext {
  readonly context: WorkerContext
  readonly remote: Remote
  readonly cas: CasClient
  readonly directory: string
  /** Uploads a message or text; its digest. */
  put(bytes: Uint8Array | string): Promise<Digest>
  /** Performs an action and gives its answer. */
  perform(action: TestAction): Promise<Performed>
}

interface TestAction {
  readonly command: re.Command.$Properties
  /** The input root; default: empty. */
  readonly root?: Digest
  /** The action's platform. */
  readonly properties?: readonly { name: string; value: string }[]
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  readonly inlineStdout?: boolean
  readonly inlineOutputFiles?: readonly string[]
  readonly onStarted?: () => void
  /** Between the answer and the removal of the action's folder, whose path it gets. */
  readonly onAnswered?: (root: string) => void
  readonly onOutput?: (stream: 'stdout' | 'stderr', data: Uint8Array) => void
}

interface Performed {
  readonly response: re.ExecuteResponse.$Properties
  readonly result: re.ActionResult.$Properties
  readonly stdout: string
  readonly stderr: string
  /** What an output file holds. */
  file(path: string): Promise<string>
}

/** The machine's time, but a time-out of a minute passes when the test says so. */
export function timeoutClock(): Clock & { passTimeout(): void } {
  let pass: () => void = () => undefined
  return {
    now: systemClock.now,
    after(ms, callback) {
      if (ms !== timeoutMs) return systemClock.after(ms, callback)
      pass = callback
      return () => undefined
    },
    passTimeout: () => pass(),
  }
}

/** Every action's, unless a test says otherwise. */
const timeoutMs = 60_000

/** Variables under which a plain shell works. */
const shellEnvironment = [{ name: 'PATH', value: '/usr/bin:/bin' }]

/** A command that a shell runs. */
export function shell(script: string, more: re.Command.$Properties = {}): re.Command.$Properties {
  return { arguments: ['/bin/sh', '-c', script], environmentVariables: shellEnvironment, ...more }
}

export interface ContextOptions {
  readonly cacheBytes?: number
  readonly directory?: string
  readonly clock?: Clock
  readonly graceMs?: number
  /** Default: auto. */
  readonly inputs?: 'auto' | 'copy' | 'links'
  /** How processes are kept together; default: the best that there is. */
  readonly ways?: SpawnerOptions['ways']
  /** What each action may take. */
  readonly limits?: Limits
  /** Images that actions may run in; default: none. */
  readonly images?: ImageSettings
  /** Tools that stay; default: none. */
  readonly persistent?: PoolLimits
  /** What has to be done when the context is needed no more goes here; default: at the end of the test. */
  readonly atEnd?: (close: () => Promise<void>) => void
}

export async function openContext(options: ContextOptions = {}): Promise<TestContext> {
  const directory = realpathSync(options.directory ?? (await testFolder()))
  const remote = openRemote()
  const cas = createCasClient(remote.channel)
  const life = new AbortController()
  const spawner = createSpawner({
    directory: join(directory, 'slots'),
    ...(options.ways && { ways: options.ways }),
    ...(options.limits && { limits: options.limits }),
    sandbox: { directory: join(directory, 'cells'), paths: [], discard: (path) => rmSync(path, { recursive: true }) },
  })
  const atEnd = options.atEnd ?? onTestFinished
  atEnd(async () => {
    life.abort()
    await context.persistentTools?.close()
    await spawner.close()
    await remover.close()
  })
  mkdirSync(directory, { recursive: true })
  const { path: work, outgoing } = makeWorkFolder(directory)
  const remover = createRemover({ work, outgoing }, systemClock, quietLog)
  const content = openContent(join(directory, 'cache'), options.cacheBytes ?? 1e9, cas, life.signal, remover.remove)
  const inputs = inputSource({ way: options.inputs ?? 'auto', content, spawner, directory, remove: remover.remove })
  const clock = options.clock ?? systemClock
  const context: WorkerContext = {
    worker: 'test-worker',
    cas,
    inputs,
    persistentTools:
      options.persistent &&
      createPersistentTools({
        limits: options.persistent,
        slots: 4,
        inputs,
        spawner,
        clock,
        log: quietLog,
        directory: work,
      }),
    images:
      options.images &&
      createImages({
        ...options.images,
        directory: join(directory, 'images'),
        discard: remover.remove,
        clock,
        log: quietLog,
        signal: life.signal,
      }),
    usualImage: options.images?.usual,
    properties: options.images ? imageOffersOf(options.images) : [],
    messages: createMessages(cas),
    spawner,
    remover,
    clock,
    graceMs: options.graceMs ?? 2_000,
    limits: options.limits ?? {},
    directory: work,
    onTrouble: () => undefined,
  }
  let number = 0
  const put = async (bytes: Uint8Array | string): Promise<Digest> => {
    const blob = blobOf(bytes)
    await cas.upload([{ digest: blob.digest, content: blob.bytes }])
    return blob.digest
  }
  return {
    context,
    remote,
    cas,
    directory,
    put,
    async perform(action) {
      const root = action.root ?? blobOf('').digest
      const command = await put(re.Command.encode(action.command).finish())
      const platform = { properties: [...(action.properties ?? [])] }
      const message = { commandDigest: wireDigest(command), inputRootDigest: wireDigest(root), platform }
      number += 1
      const { response, tidy } = await performAction(context, {
        action: re.Action.decode(re.Action.encode(message).finish()),
        digest: blobOf(re.Action.encode(message).finish()).digest,
        queuedAt: systemClock.now(),
        timeoutMs: action.timeoutMs ?? timeoutMs,
        inlineStdout: action.inlineStdout ?? false,
        inlineStderr: false,
        inlineOutputFiles: action.inlineOutputFiles ?? [],
        blobs: [],
        number,
        signal: action.signal ?? new AbortController().signal,
        onStarted: action.onStarted ?? (() => undefined),
        onOutput: action.onOutput ?? (() => undefined),
      })
      action.onAnswered?.(join(work, String(number)))
      await tidy()
      while (remover.waiting > 0) await delay(1)
      return await performed(cas, response)
    },
  }
}

async function performed(cas: CasClient, response: re.ExecuteResponse.$Properties): Promise<Performed> {
  const result = response.result ?? {}
  const read = async (digest: re.Digest.$Properties | null | undefined) => {
    if (!digest) return ''
    const named = { fn: 'sha256', hash: digest.hash ?? '', size: digest.sizeBytes ?? 0 } as const
    return Buffer.from(await cas.readBlob(named)).toString()
  }
  return {
    response,
    result,
    stdout: await read(result.stdoutDigest),
    stderr: await read(result.stderrDigest),
    file: (path) => read((result.outputFiles ?? []).find((each) => each.path === path)?.digest),
  }
}

/** Uploads a folder; the digest of its root. */
export async function uploadFolder(cas: CasClient, folder: string): Promise<Digest> {
  const tree = await buildMerkleTree(folder, { fn: 'sha256' })
  await cas.upload(treeSources(tree))
  return tree.root.digest
}
