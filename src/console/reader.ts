import { posix } from 'node:path'
import { type CasClient, createCasClient } from '../client/cas.ts'
import type { Clock } from '../core/clock.ts'
import {
  type Digest,
  type DigestFunction,
  digestFromWire,
  digestFunctions,
  digestKey,
  digestText,
} from '../core/digest.ts'
import { Failure, messageOf } from '../core/failure.ts'
import { batchBytesMax } from '../core/limits.ts'
import type { Log } from '../telemetry/log.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'
import type { History } from './history.ts'
import type { Readable } from './ingest.ts'
import type { Kept, Learned } from './learn.ts'
import { readTree } from './read-tree.ts'

export interface ReaderOptions {
  readonly history: History
  /** The server that has the blobs. */
  readonly cas: Channel
  readonly clock: Clock
  readonly log: Log
}

/** Reads Actions, Commands and input trees out of the cache, for the history, after the builds that used them. */
export interface Reader {
  /** Puts actions into the queue; those for which there is no room are read when they are seen again. */
  add(actions: readonly Readable[]): void
  /** Is the queue empty, and nothing being read? */
  isIdle(): boolean
  /** Settles when the queue is empty and nothing is read. */
  idle(): Promise<void>
  /** Blobs that the history does not have, by digestKey; those that the cache lacks too, or that are too large, are left out. */
  fetch(digests: readonly Digest[]): Promise<ReadonlyMap<string, Uint8Array>>
  close(): void
}

const queueMax = 50_000
/** Actions that are read together. */
const batchMax = 100
/** Larger Actions and Commands are not looked at. */
const actionBytesMax = 64 * 1024
const commandBytesMax = 1024 * 1024
/** Paths of one action that are written down. */
const outputsMax = 10_000
const callMsMax = 10_000
/** How long it is left in peace after a failure, in milliseconds. */
const restMs = 5_000

export function createReader({ history, cas, clock, log }: ReaderOptions): Reader {
  const queue = new Map<number, Readable>()
  const ending = new AbortController()
  let working: Promise<void> | undefined
  let resting: (() => void) | undefined
  let failing = false

  function work(): void {
    if (working || resting || queue.size === 0 || ending.signal.aborted) return
    working = readAll().then(
      () => {
        working = undefined
        failing = false
        work()
      },
      (error: unknown) => {
        working = undefined
        if (ending.signal.aborted) return
        if (!failing) log.warn('cannot read actions for the history', { reason: messageOf(error) })
        failing = true
        rest()
      },
    )
  }

  /** Once more later: what was taken out of the queue is read when it is seen again. */
  function rest(): void {
    resting = clock.after(restMs, () => {
      resting = undefined
      work()
    })
  }

  async function readAll(): Promise<void> {
    while (queue.size > 0 && !ending.signal.aborted) {
      const batch = [...queue.values()].slice(0, batchMax)
      for (const { content } of batch) queue.delete(content)
      const groups = Map.groupBy(batch, ({ action, instance }) => `${action.fn} ${instance}`)
      for (const group of groups.values()) await readGroup(group)
    }
  }

  function clientFor(fn: DigestFunction, instance: string): CasClient {
    return createCasClient(cas, { fn, instance, clock, timeoutMs: callMsMax, attemptsMax: 2, parallel: 2 })
  }

  /** Actions of one digest function and one instance. */
  async function readGroup(group: readonly Readable[]): Promise<void> {
    const [first] = group
    if (!first) return
    const client = clientFor(first.action.fn, first.instance)
    const kept: Kept[] = []
    const actions = await readSmall(
      client,
      group.map(({ action }) => action),
      actionBytesMax,
    )
    const known = group.flatMap((each) => {
      const bytes = actions.get(digestText(each.action))
      const facts = bytes && actionFacts(bytes, each.action)
      if (!bytes || !facts) return []
      kept.push({ digest: each.action, bytes })
      return [{ ...each, ...facts }]
    })
    const commands = await readSmall(
      client,
      known.map(({ command }) => command),
      commandBytesMax,
    )
    const learned: Learned[] = []
    for (const { content, action, command, inputRoot } of known) {
      const bytes = commands.get(digestText(command))
      const outputs = bytes && outputsOf(bytes)
      if (!bytes || !outputs) continue
      kept.push({ digest: command, bytes })
      learned.push({ content, action, command, inputRoot, outputs })
    }
    history.use(({ learn }) => learn(learned, kept, clock.now()))
    for (const { ran, inputRoot } of known)
      if (ran) await readTree({ client, history, clock, signal: ending.signal }, inputRoot)
  }

  /** Absent ones and those that are too large are left out. */
  async function readSmall(client: CasClient, digests: readonly Digest[], bytesMax: number) {
    const found = new Map<string, Uint8Array>()
    let part: Digest[] = []
    let bytes = 0
    async function flush(): Promise<void> {
      if (part.length === 0) return
      for (const [key, blob] of await client.readBlobs(part, ending.signal)) found.set(key, blob)
      part = []
      bytes = 0
    }
    for (const digest of digests) {
      if (digest.size > bytesMax) continue
      if (bytes + digest.size > batchBytesMax) await flush()
      part.push(digest)
      bytes += digest.size
    }
    await flush()
    return found
  }

  return {
    add(actions) {
      for (const each of actions) {
        const known = queue.get(each.content)
        if (!known && queue.size >= queueMax) continue
        queue.set(each.content, known?.ran ? known : each)
      }
      work()
    },
    isIdle: () => queue.size === 0 && !working,
    async idle() {
      while (working) await working
    },
    async fetch(digests) {
      const found = new Map<string, Uint8Array>()
      for (const [fn, group] of Map.groupBy(digests, (digest) => digest.fn)) {
        const read = await readSmall(clientFor(fn, ''), group, batchBytesMax)
        for (const digest of group) {
          const bytes = read.get(digestText(digest))
          if (bytes) found.set(digestKey(digest), bytes)
        }
      }
      return found
    },
    close() {
      ending.abort()
      resting?.()
    },
  }
}

/** Undefined for bytes that are not an Action. */
function actionFacts(bytes: Uint8Array, digest: Digest): { command: Digest; inputRoot: Digest } | undefined {
  return ifWellFormed(() => {
    const action = decodeMessage(re.Action, bytes)
    const { value } = digestFunctions[digest.fn]
    return {
      command: digestFromWire(action.commandDigest, value, 'command_digest'),
      inputRoot: digestFromWire(action.inputRootDigest, value, 'input_root_digest'),
    }
  })
}

/** What a Command makes, from the input root, sorted; undefined for bytes that are not a Command. */
function outputsOf(bytes: Uint8Array): string[] | undefined {
  return ifWellFormed(() => {
    const command = decodeMessage(re.Command, bytes)
    const { outputPaths, outputFiles, outputDirectories, workingDirectory } = command
    const named = outputPaths.length > 0 ? outputPaths : [...outputFiles, ...outputDirectories]
    const paths = named.slice(0, outputsMax).map((path) => posix.join(workingDirectory, path).replace(/\/$/, ''))
    return [...new Set(paths)].sort()
  })
}

/** Actions that are no such thing are the affair of whoever runs them; here they are not known. */
function ifWellFormed<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof Failure && error.kind === 'invalid') return undefined
    throw error
  }
}
