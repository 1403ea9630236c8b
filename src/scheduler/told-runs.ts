import { chunkBytesMax } from '../core/limits.ts'
import type { workerApi } from '../wire/proto.ts'
import type { ClientFacts } from './client.ts'
import type { Output } from './output.ts'
import type { Attempt, Task } from './task.ts'

/** The runs of actions that one client follows, and how far it has been told of each. */
export interface ToldRuns {
  /** Runs that are not followed, since there are too many at once. */
  readonly skipped: number
  /** Takes a run in, if the client follows it; once, however often it is called. */
  add(task: Task, attempt: Attempt): void
  /** What is new: a bounded piece of each stream, in turns, until there is nothing more. What is given is told. */
  news(): Iterable<workerApi.OutputEvent.$Properties>
}

/** Runs at once, of which those that have ended hold their output until it is told. */
const runsMax = 2_000
/** What ended runs may hold for a client that reads more slowly than they print; beyond it, the oldest go, and it is told so. */
const keptBytesMax = 8 * 1024 * 1024

interface Told {
  readonly number: number
  readonly attempt: Attempt
  readonly begun: workerApi.RunBegun.$Properties
  isBegun: boolean
  /** Bytes of stdout and stderr that were told, or are lost. */
  readonly at: [number, number]
}

/** @param clientOf for whom a task is followed; undefined for one that is not */
export function createToldRuns(clientOf: (task: Task) => ClientFacts | undefined): ToldRuns {
  const runs = new Map<string, Told>()
  /** Runs that were told of and will not be told to their end; no more than runsMax, since the next ones begin once this is told. */
  const lost: number[] = []
  let [count, skipped] = [0, 0]

  function* newsOf(run: Told): Iterable<workerApi.OutputEvent.$Properties> {
    const { number, attempt, begun, at } = run
    if (!runs.has(attempt.lease.id)) return
    if (!run.isBegun) {
      run.isBegun = true
      yield { run: number, begun }
    }
    // Before the streams are read: what comes between is for the next time.
    const { over } = attempt.stdout
    for (const stream of [0, 1] as const) {
      const output = pieceOf(stream === 0 ? attempt.stdout : attempt.stderr, at[stream])
      if (!output) continue
      at[stream] += output.lost + output.data.length
      yield { run: number, output: { stream, ...output } }
    }
    if (!over || !isRead(attempt.stdout, at[0]) || !isRead(attempt.stderr, at[1])) return
    // What was let go meanwhile has another end.
    if (runs.delete(attempt.lease.id)) yield { run: number, ended: { broken: over.error?.message ?? '' } }
  }

  /** A client that reads slowly must not hold what the scheduler itself has long forgotten. */
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
