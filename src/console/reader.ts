import { type CasClient, createCasClient } from '../client/cas.ts'
import { backoffMs } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { type Digest, type DigestFunction, digestKey, digestText } from '../core/digest.ts'
import { Failure, messageOf } from '../core/failure.ts'
import { batchBytesMax } from '../core/limits.ts'
import type { Log } from '../telemetry/log.ts'
import type { Channel } from '../wire/rpc.ts'
import type { History } from './history.ts'
import { readActions } from './read-actions.ts'
import type { Readable } from './reading-queue.ts'

export interface ReaderOptions {
  readonly history: History
  /** The server that stores the blobs. */
  readonly cas: Channel
  readonly clock: Clock
  readonly log: Log
}

/** Reads Actions, Commands and input trees from the cache into the history, after the builds that used them. */
export interface Reader {
  /** More has been queued. Failed reads are retried, up to a limit. */
  wake(): void
  /** Settles when the queue is empty, or cannot be read at present. */
  idle(): Promise<void>
  /**
   * Blobs that the history does not have, by digestKey; those that the cache lacks too, or that are too large, are left
   * out.
   */
  fetch(digests: readonly Digest[]): Promise<ReadonlyMap<string, Uint8Array>>
  close(): void
}

/** Larger blobs are not fetched on request. */
const fetchedBytesMax = batchBytesMax
const callMsMax = 10_000
/** Pause after consecutive failures, in milliseconds. */
const restBounds = { msMin: 5_000, msMax: 60_000 }

export function createReader({ history, cas, clock, log }: ReaderOptions): Reader {
  const ending = new AbortController()
  let working: Promise<void> | undefined
  let resting: (() => void) | undefined
  /** Consecutive. */
  let failures = 0
  let wanted = true

  function work(): void {
    if (working || resting || !wanted || ending.signal.aborted) return
    working = readAll().then(() => {
      working = undefined
      if (failures > 0) rest()
      else work()
    })
  }

  function rest(): void {
    if (ending.signal.aborted) return
    resting = clock.after(backoffMs(failures, restBounds), () => {
      resting = undefined
      wanted = true
      work()
    })
  }

  /** Until the queue is empty, or a read fails. */
  async function readAll(): Promise<void> {
    while (wanted && !ending.signal.aborted) {
      const batch = nextBatch()
      wanted = batch.length > 0
      if (!wanted) return
      const groups = Map.groupBy(batch, ({ action, instance }) => `${action.fn} ${instance}`)
      for (const group of groups.values()) if (!(await readGroup(group))) return
    }
  }

  /** Empty if the history cannot be read, which it reports itself. */
  function nextBatch(): readonly Readable[] {
    try {
      const batch = history.use(({ unread }) => unread.next())
      if (batch.length === 0) failures = 0
      return batch
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      failures += 1
      return []
    }
  }

  /** Reads actions of one digest function and instance. @returns whether they could be read */
  async function readGroup(group: readonly Readable[]): Promise<boolean> {
    const [first] = group
    if (!first) return true
    const client = clientFor(first.action.fn, first.instance)
    try {
      await readActions({ client, history, clock, signal: ending.signal }, group)
      history.use(({ unread }) => unread.done(group))
    } catch (error) {
      if (!ending.signal.aborted) putBack(group, messageOf(error))
      return false
    }
    failures = 0
    return true
  }

  function putBack(group: readonly Readable[], reason: string): void {
    failures += 1
    if (failures === 1) log.warn('cannot read actions for the history, and tries again', { reason })
    for (const { action } of givenUp(history, group))
      log.warn('reading an action for the history is given up', { action: digestText(action), reason })
  }

  function clientFor(fn: DigestFunction, instance: string): CasClient {
    return createCasClient(cas, { fn, instance, clock, timeoutMs: callMsMax, attemptsMax: 2, parallel: 2 })
  }

  // What was left by the run before.
  work()
  return {
    wake() {
      wanted = true
      work()
    },
    async idle() {
      while (working) await working
    },
    fetch: (digests) => fetchBlobs(digests, (fn) => clientFor(fn, ''), ending.signal),
    close() {
      ending.abort()
      resting?.()
    },
  }
}

/** Puts actions that could not be read at the end. @returns those given up; none if the history cannot be written */
function givenUp(history: History, group: readonly Readable[]): Readable[] {
  try {
    return history.use(({ unread }) => unread.failed(group))
  } catch (error) {
    if (error instanceof Failure) return []
    throw error
  }
}

async function fetchBlobs(
  digests: readonly Digest[],
  clientFor: (fn: DigestFunction) => CasClient,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>()
  for (const [fn, group] of Map.groupBy(digests, (digest) => digest.fn)) {
    const wanted = group.filter(({ size }) => size <= fetchedBytesMax)
    const read = await clientFor(fn).readBlobs(wanted, signal)
    for (const digest of group) {
      const bytes = read.get(digestText(digest))
      if (bytes) found.set(digestKey(digest), bytes)
    }
  }
  return found
}
