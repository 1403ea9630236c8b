import { createCasClient } from '../client/cas.ts'
import { compareResults, type OutputsCompared } from '../client/compare-results.ts'
import type { Clock } from '../core/clock.ts'
import { digestText } from '../core/digest.ts'
import { Failure, messageOf } from '../core/failure.ts'
import { compareContents } from '../explain/contents/compare.ts'
import type { Log } from '../telemetry/log.ts'
import { re } from '../wire/proto.ts'
import { type Channel, RpcError } from '../wire/rpc.ts'
import type { RepeatEvent } from './events.ts'
import type { History } from './history.ts'
import type { Written } from './ingest.ts'

export interface ComparerOptions {
  readonly history: History
  /** The server that stores the outputs. */
  readonly cas: Channel
  readonly clock: Clock
  readonly log: Log
}

/** Compares the outputs of actions that were run twice, one action at a time, and records what differs. */
export interface Comparer {
  /** Queues results; those for which there is no room are only counted. */
  add(different: Written['different']): void
  /** Settles when the queue is empty and nothing is being compared. */
  idle(): Promise<void>
  close(): void
}

type Different = Written['different'][number]

/** An action whose two results still have to be compared. */
interface Waiting extends Omit<Different, 'event'> {
  readonly event: Omit<RepeatEvent, 'results'>
  /** Encoded, so that their size is known and they retain nothing of their batch. */
  readonly results: readonly Uint8Array[]
  readonly bytes: number
}

const queueMax = 100
/** Of queued results: one that names a hundred thousand files takes some 10 MB. */
const queueBytesMax = 32 * 1024 * 1024
/** Two of them are in memory while this process serves others. */
const fileBytesMax = 16 * 1024 * 1024
const expandedBytes = 64 * 1024 * 1024
/** A folder of some ten thousand files: larger ones are known to differ, but not how. */
const planBounds = {
  treeBytesMax: 4 * 1024 * 1024,
  treesBytesMax: 8 * 1024 * 1024,
  entriesMax: 100_000,
  pathsLengthMax: 16 * 1024 * 1024,
}
const callMsMax = 10_000

export function createComparer({ history, cas, clock, log }: ComparerOptions): Comparer {
  const queue: Waiting[] = []
  let queueBytes = 0
  const ending = new AbortController()
  let working: Promise<void> | undefined

  function work(): void {
    if (working || queue.length === 0 || ending.signal.aborted) return
    working = compareAll().then(
      () => {
        working = undefined
        work()
      },
      (error: unknown) => {
        working = undefined
        log.error('cannot compare what actions made', { error })
      },
    )
  }

  async function compareAll(): Promise<void> {
    for (let next = queue.shift(); next && !ending.signal.aborted; next = queue.shift()) {
      queueBytes -= next.bytes
      const { build, event } = next
      const [first, second] = next.results.map((bytes) => re.ActionResult.decode(bytes))
      const results = [first ?? {}, second ?? {}] as const
      const compared = await outputsOf(event, results)
      try {
        history.use(({ repeats }) => repeats.add(build, reportOf(event, results, compared)))
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        log.warn('cannot write down what an action made differently', { reason: error.message })
      }
    }
  }

  /** Empty if they cannot be read: that they differ is known all the same. */
  async function outputsOf({ action, instance }: Waiting['event'], [one, other]: Results): Promise<OutputsCompared> {
    const client = createCasClient(cas, { fn: action.fn, instance, clock, timeoutMs: callMsMax, attemptsMax: 2 })
    try {
      return await compareResults(client, one, other, {
        compareContents: (one, other) => compareContents(one, other, { expandedBytes }),
        fileBytesMax,
        planBounds,
        signal: ending.signal,
      })
    } catch (error) {
      if (!(error instanceof RpcError || error instanceof Failure) && !ending.signal.aborted) throw error
      log.warn('cannot compare what an action made', { action: digestText(action), reason: messageOf(error) })
      return { outputs: [], more: 0 }
    }
  }

  return {
    add(different) {
      for (const each of different) {
        if (queue.length >= queueMax) break
        const waiting = waitingOf(each)
        if (queueBytes + waiting.bytes > queueBytesMax) continue
        queue.push(waiting)
        queueBytes += waiting.bytes
      }
      work()
    },
    async idle() {
      while (working) await working
    },
    close: () => ending.abort(),
  }
}

type Results = readonly [re.ActionResult.$Properties, re.ActionResult.$Properties]

function waitingOf({ build, event: { results, ...event } }: Different): Waiting {
  const encoded = (results ?? []).map((result) => re.ActionResult.encode(result).finish())
  return { build, event, results: encoded, bytes: encoded.reduce((sum, { length }) => sum + length, 0) }
}

function reportOf({ action, client }: Waiting['event'], [first, second]: Results, { outputs, more }: OutputsCompared) {
  return {
    action: digestText(action),
    target: client.target,
    mnemonic: client.mnemonic,
    workers: [first.executionMetadata?.worker ?? '', second.executionMetadata?.worker ?? ''] as const,
    exitCodes: [first.exitCode ?? 0, second.exitCode ?? 0] as const,
    outputs,
    moreOutputs: more,
  }
}
