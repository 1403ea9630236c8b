import { type CasClient, createCasClient } from '../client/cas.ts'
import type { Clock } from '../core/clock.ts'
import { type Digest, type DigestFunction, digestKey, digestText } from '../core/digest.ts'
import { messageOf } from '../core/failure.ts'
import { batchBytesMax } from '../core/limits.ts'
import type { Log } from '../telemetry/log.ts'
import type { Channel } from '../wire/rpc.ts'
import type { History } from './history.ts'
import type { Readable } from './ingest.ts'
import { readActions } from './read-actions.ts'

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
/** A larger blob is not fetched for whoever asks. */
const fetchedBytesMax = batchBytesMax
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

  async function readGroup(group: readonly Readable[]): Promise<void> {
    const [first] = group
    if (!first) return
    const client = clientFor(first.action.fn, first.instance)
    await readActions({ client, history, clock, signal: ending.signal }, group)
  }

  function clientFor(fn: DigestFunction, instance: string): CasClient {
    return createCasClient(cas, { fn, instance, clock, timeoutMs: callMsMax, attemptsMax: 2, parallel: 2 })
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
        const wanted = group.filter(({ size }) => size <= fetchedBytesMax)
        const read = await clientFor(fn, '').readBlobs(wanted, ending.signal)
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
