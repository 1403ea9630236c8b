import { chunkBytesMax } from '../core/limits.ts'
import type { workerApi } from '../wire/proto.ts'
import type { ClientFacts } from './client.ts'
import type { Output } from './output.ts'
import type { Attempt, Task } from './task.ts'

/** The runs of actions that one client follows, and how much of each it has been sent. */
export interface ToldRuns {
  /** Runs that are not followed because there are too many at once. */
  readonly skipped: number
  /** Adds a run, if the client follows it; further calls for the same run do nothing. */
  add(task: Task, attempt: Attempt): void
  /**
   * What is new: a bounded piece of each stream, in turns, until there is nothing more. What is returned counts as
   * sent.
   */
  news(): Iterable<workerApi.OutputEvent.$Properties>
}

/** The most runs at once; ended ones hold their output until it is sent. */
const runsMax = 2_000
/**
 * What ended runs may hold for a client that reads more slowly than they print; beyond it the oldest are dropped, and
 * the client is told.
 */
const keptBytesMax = 8 * 1024 * 1024

interface Told {
  readonly number: number
  readonly attempt: Attempt
  readonly begun: workerApi.RunBegun.$Properties
  isBegun: boolean
  /** Bytes of stdout and stderr that were sent, or are lost. */
  readonly at: [number, number]
}

/** @param clientOf the client for whom a task is followed; undefined if it is not followed */
export function createToldRuns(clientOf: (task: Task) => ClientFacts | undefined): ToldRuns {
  const runs = new Map<string, Told>()
  /**
   * Runs that were announced and then dropped; no more than runsMax, since new runs begin only once this has been sent.
   */
  const lost: number[] = []
  let [count, skipped] = [0, 0]

  function* newsOf(run: Told): Iterable<workerApi.OutputEvent.$Properties> {
    const { number, attempt, begun, at } = run
    if (!runs.has(attempt.lease.id)) return
    if (!run.isBegun) {
      run.isBegun = true
      yield { run: number, begun }
    }
    // Taken before the streams are read: what is written in between is for the next time.
    const { over } = attempt.stdout
    for (const stream of [0, 1] as const) {
      const output = pieceOf(stream === 0 ? attempt.stdout : attempt.stderr, at[stream])
      if (!output) continue
      at[stream] += output.lost + output.data.length
      yield { run: number, output: { stream, ...output } }
    }
    if (!over || !isRead(attempt.stdout, at[0]) || !isRead(attempt.stderr, at[1])) return
    // A run that was dropped meanwhile is ended by `lost`.
    if (runs.delete(attempt.lease.id)) yield { run: number, ended: { broken: over.error?.message ?? '' } }
  }

  /** A client that reads slowly must not hold what the scheduler itself forgot long ago. */
  function trim(): void {
    const ended = [...runs.values()].filter(({ attempt }) => attempt.stdout.over)
    let kept = ended.reduce((sum, { attempt }) => sum + attempt.stdout.kept + attempt.stderr.kept, 0)
    for (const { attempt, number, isBegun } of ended) {
      if (kept <= keptBytesMax) return
      kept -= attempt.stdout.kept + attempt.stderr.kept
      runs.delete(attempt.lease.id)
      if (isBegun) lost.push(number)
      else skipped += 1
    }
  }

  return {
    get skipped() {
      return skipped
    },
    add(task, attempt) {
      const { id, worker } = attempt.lease
      const client = runs.has(id) ? undefined : clientOf(task)
      if (!client) return
      trim()
      if (runs.size >= runsMax) {
        skipped += 1
        return
      }
      const { invocation, target, mnemonic } = client
      const actionDigest = { hash: task.digest.hash, sizeBytes: task.digest.size }
      const begun = { invocation, target, mnemonic, actionDigest, worker: worker.name }
      count += 1
      runs.set(id, { number: count, attempt, begun, isBegun: false, at: [0, 0] })
    },
    *news() {
      for (let isQuiet = false; !isQuiet; ) {
        isQuiet = true
        for (const run of lost.splice(0)) yield { run, ended: { broken: 'its output is not kept any more' } }
        for (const run of [...runs.values()])
          for (const event of newsOf(run)) {
            isQuiet = false
            yield event
          }
      }
    },
  }
}

function pieceOf(output: Output, at: number): { data: Uint8Array; lost: number } | undefined {
  const lost = Math.max(0, output.from - at)
  const data = output.peek(at + lost)?.subarray(0, chunkBytesMax)
  return data && { data, lost }
}

function isRead({ from, kept }: Output, at: number): boolean {
  return at >= from + kept
}
