import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../core/clock.ts'
import { Failure, messageOf } from '../core/failure.ts'
import type { ExplanationStore } from '../explain/store.ts'
import type { Log } from '../telemetry/log.ts'
import { createKeptStreams, type KeptStreams } from './bes/keep.ts'
import { createKeptBlobs, type KeptBlobs } from './blobs.ts'
import { isDamage, isUnfit, moveAside, type Opened, openDatabase, sqliteCode } from './database.ts'
import { createIngest, type Ingest } from './ingest.ts'
import { createReadInvocation, createReadLog, type ReadInvocation, type ReadLog } from './invocations.ts'
import { createLearn, type Learn } from './learn.ts'
import { type Bounds, createPrune, type Prune } from './prune.ts'
import { createQueries, type Queries } from './queries.ts'
import { createReadingQueue, type ReadingQueue } from './reading-queue.ts'
import { createKeptRepeats, type KeptRepeats } from './repeats.ts'
import { createStoredExplanations } from './stored-explanations.ts'

export interface HistoryOptions {
  /** The database's file. */
  readonly path: string
  readonly bounds: Bounds
  readonly clock: Clock
  readonly log: Log
}

/** The operations on an open history. */
export interface Tables {
  readonly ingest: Ingest
  /** Actions that are still to be read from the cache. */
  readonly unread: ReadingQueue
  readonly learn: Learn
  readonly queries: Queries
  readonly invocation: ReadInvocation
  readonly log: ReadLog
  /** Events from the build tools themselves. */
  readonly streams: KeptStreams
  readonly blobs: KeptBlobs
  /** Differences between two runs of an action. */
  readonly repeats: KeptRepeats
  /** Of builds that have ended. */
  readonly explanations: ExplanationStore
  readonly prune: Prune
}

/** Builds and their actions on disk. */
export interface History {
  /**
   * Uses the tables.
   * @throws Failure 'exhausted' when the disk or the history is full, 'invalid' when the tables reject the values,
   *   'unavailable' for any other trouble with the database; nothing has been written then
   */
  use<T>(work: (tables: Tables) => T): T
  /** Why the history cannot be used at present, as sentences; empty if it can. */
  notes(): string[]
  close(): void
}

/** Above the bound, so that pruning has something to remove and room to work in. */
const marginBytes = 64 * 1024 * 1024
const full = 13

/** Interval between attempts to open it, in milliseconds. */
const openAgainMs = 5_000

/** Opens the history now or, if that fails, as soon as possible. It is created if there is none. */
export function openHistory(options: HistoryOptions): History {
  const { path, bounds, clock, log } = options
  const file = { path, bytesMax: bounds.bytesMax + marginBytes, clock, log }
  let open: Opened<Tables> | undefined
  /** Why it is not open, and when that was found. */
  let trouble: { readonly error: Failure; readonly at: number } | undefined
  let closed = false

  function tryToOpen(): void {
    try {
      open = openDatabase(file, (database) => tablesOf(database, bounds))
      if (trouble) log.info('the history of builds can be written again')
      trouble = undefined
    } catch (error) {
      const failure = failureOf(error, path)
      if (!trouble) log.warn('the history of builds cannot be opened', { reason: failure.message })
      trouble = { error: failure, at: clock.now() }
    }
  }

  function opened(): Tables {
    if (!open && !closed && (!trouble || clock.now() - trouble.at >= openAgainMs)) tryToOpen()
    if (open) return open.tables
    throw trouble?.error ?? new Failure('unavailable', 'the history of builds is closed')
  }

  /** A database found damaged while in use is replaced by an empty one, as at startup. */
  function beginAnew(error: unknown): void {
    open?.database.close()
    open = undefined
    log.warn('the history of builds is damaged and begins anew', { reason: messageOf(error), aside: moveAside(file) })
    tryToOpen()
  }

  tryToOpen()
  return {
    use(work) {
      const tables = opened()
      try {
        return work(tables)
      } catch (error) {
        if (isDamage(error)) beginAnew(error)
        throw error instanceof Failure ? error : failureOf(error, path)
      }
    },
    notes: () => (trouble ? [`the history of builds is not written: ${trouble.error.message}`] : []),
    close() {
      closed = true
      open?.database.close()
      open = undefined
    },
  }
}

function tablesOf(database: DatabaseSync, bounds: Bounds): Tables {
  const blobs = createKeptBlobs(database)
  const unread = createReadingQueue(database)
  const ingest = createIngest(database, unread)
  const prune = createPrune(database, blobs, bounds)
  return {
    blobs,
    ingest,
    unread,
    learn: createLearn(database, blobs),
    queries: createQueries(database),
    invocation: createReadInvocation(database),
    log: createReadLog(database),
    streams: createKeptStreams(database),
    repeats: createKeptRepeats(database),
    explanations: createStoredExplanations(database),
    prune(now) {
      const more = prune(now)
      ingest.forget()
      return more
    },
  }
}

/** @throws what is not a failure of the database or of the system */
function failureOf(error: unknown, path: string): Failure {
  if (error instanceof Failure) return error
  const code = sqliteCode(error)
  if (code === undefined) throw error
  const kind = isUnfit(error) ? 'invalid' : code === full ? 'exhausted' : 'unavailable'
  return new Failure(kind, `the history of builds: ${messageOf(error)}`, { where: path, cause: error })
}
