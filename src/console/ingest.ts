import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { type ActionOutcome, actionOutcomes, type LookupRecord, lookupAnswers } from '../core/build-history.ts'
import { type Digest, digestKey } from '../core/digest.ts'
import type { ActionEvent, Client, ConsoleEvent, RepeatEvent, Run } from './events.ts'
import { createIds } from './ids.ts'
import { countColumns, outcomeAfter, outcomeNumber } from './outcomes.ts'

/** A batch of a server, decoded. */
export interface Batch {
  readonly run: Uint8Array
  readonly sequence: number
  readonly dropped: number
  readonly events: readonly ConsoleEvent[]
}

/** An action whose Action and Command are worth reading now. */
export interface Readable {
  readonly content: number
  readonly action: Digest
  readonly instance: string
  /** A worker ran it: its input tree is in the storage. */
  readonly ran: boolean
}

/** What a batch leaves to be read out of the cache. */
export interface Written {
  readonly readable: readonly Readable[]
  /** Results that differ, with the build that they are of, by its number. */
  readonly different: readonly { readonly build: number; readonly event: RepeatEvent }[]
}

export interface Ingest {
  /**
   * Writes a batch, all of it or nothing.
   * @returns what is to be read now; undefined for a batch that was written before
   * @throws what SQLite throws
   */
  add(batch: Batch): Written | undefined
  /** Rows were removed: what was remembered of them counts no more. */
  forget(): void
}

/** Calls of a tool that names no invocation are one build until it pauses for so long, in milliseconds. */
const pauseMsMax = 60_000
const unnamedMax = 1_000

export function createIngest(database: DatabaseSync): Ingest {
  const statements = prepare(database)
  const ids = createIds(database)
  const unnamed = new Map<string, { name: string; lastSeen: number }>()

  /** The name of a build whose client gives it none. */
  function unnamedBuild({ tool, toolVersion, correlated }: Client, at: number): string {
    const key = JSON.stringify([tool, toolVersion, correlated])
    const known = unnamed.get(key)
    if (known && at - known.lastSeen < pauseMsMax) {
      known.lastSeen = Math.max(known.lastSeen, at)
      return known.name
    }
    if (unnamed.size >= unnamedMax) unnamed.clear()
    const name = `unnamed-${at.toString(36)}-${unnamed.size.toString(36)}`
    unnamed.set(key, { name, lastSeen: at })
    return name
  }

  function buildOf(client: Client, instance: string, at: number): number {
    const name = client.invocation || unnamedBuild(client, at)
    return ids.build(name, client, instance, at)
  }

  function write(event: ConsoleEvent, changes: Changes, different: Different[]): Readable | undefined {
    if (event.kind === 'traffic') {
      const change = changes.of(buildOf(event.client, '', event.at), event.at)
      change.received += event.received
      change.sent += event.sent
      return undefined
    }
    const build = buildOf(event.client, event.instance, event.at)
    const change = changes.of(build, event.at)
    change.instance ||= event.instance
    if (event.kind === 'repeat') {
      change.repeated += 1
      if (event.results) different.push({ build, event })
      change.different += event.results ? 1 : 0
      return undefined
    }
    const content = ids.content(event.action)
    const seen = seenOutcome(event)
    const row = statements.find.get(content.id, build)
    const before = row ? actionOutcomes[Number(row['outcome'])] : undefined
    const after = outcomeAfter(before, seen)
    const id = row ? Number(row['id']) : insert(event, build, content.id, after)
    if (row) statements.touch.run(outcomeNumber(after), event.at, event.at, id)
    if (event.kind !== 'lookup') writeRun(event.run, id)
    else if (row) statements.lookup.run(...lookupValues(event.lookup), id)
    change.count(before, after)
    if (content.known || seen === 'missed') return undefined
    return { content: content.id, action: event.action, instance: event.instance, ran: event.kind === 'execution' }
  }

  function insert(event: ActionEvent, build: number, content: number, outcome: ActionOutcome): number {
    const label = ids.label(event.client)
    const { at } = event
    const lookup = event.kind === 'lookup' ? lookupValues(event.lookup) : noLookup
    const { insert: statement } = statements
    return Number(statement.run(build, content, label, outcomeNumber(outcome), at, at, ...lookup).lastInsertRowid)
  }

  function writeRun(run: Run, id: number): void {
    const { times } = run
    statements.run.run(
      (run.skipCacheLookup ? 1 : 0) | (run.doNotCache ? 2 : 0) | (run.merged ? 4 : 0),
      run.exitCode,
      run.status,
      run.message || null,
      run.worker || null,
      run.attempts,
      times.queued ?? null,
      times.workerStart ?? null,
      times.inputStart ?? null,
      times.inputEnd ?? null,
      times.runStart ?? null,
      times.runEnd ?? null,
      times.outputStart ?? null,
      times.outputEnd ?? null,
      times.workerEnd ?? null,
      id,
    )
  }

  function writeBatch({ events, dropped }: Batch): Written {
    const changes = createChanges()
    const different: Different[] = []
    const readable = new Map<string, Readable>()
    for (const event of events) {
      const each = write(event, changes, different)
      if (!each) continue
      const key = digestKey(each.action)
      readable.set(key, { ...each, ran: each.ran || (readable.get(key)?.ran ?? false) })
    }
    for (const [id, change] of changes.all()) {
      const { counts } = change
      statements.build.run(
        counts.hit,
        counts.missed,
        counts.executed,
        counts.local,
        counts.failed,
        change.received,
        change.sent,
        change.repeated,
        change.different,
        dropped,
        change.instance,
        change.first,
        change.last,
        id,
      )
    }
    return { readable: [...readable.values()], different }
  }

  return {
    forget: ids.forget,
    add(batch) {
      database.exec('BEGIN IMMEDIATE')
      try {
        const last = Number(statements.sequence.get(batch.run)?.['sequence'] ?? 0)
        const written = batch.sequence > last ? writeBatch(batch) : undefined
        statements.seen.run(batch.run, Math.max(batch.sequence, last), batch.events[0]?.at ?? 0)
        database.exec('COMMIT')
        return written
      } catch (error) {
        // What was given a number in this transaction has none any more.
        ids.forget()
        if (database.isTransaction) database.exec('ROLLBACK')
        throw error
      }
    },
  }
}

type Different = Written['different'][number]

/** answer, missing_hash, missing_size, evicted_ms */
function lookupValues({ answer, missing, evictedMs }: LookupRecord): readonly SQLInputValue[] {
  return [lookupAnswers.indexOf(answer), missing?.hash ?? null, missing?.size ?? null, evictedMs ?? null]
}

const noLookup: readonly SQLInputValue[] = [null, null, null, null]

function seenOutcome(event: ActionEvent): ActionOutcome {
  if (event.kind !== 'lookup') return event.run.outcome
  return event.lookup.answer === 'hit' ? 'hit' : 'missed'
}

/** What a batch changes about one build. */
interface Change {
  readonly counts: Record<ActionOutcome, number>
  instance: string
  received: number
  sent: number
  /** Actions that were run twice, and those of them that differ. */
  repeated: number
  different: number
  first: number
  last: number
  count(before: ActionOutcome | undefined, after: ActionOutcome): void
}

interface Changes {
  of(build: number, at: number): Change
  all(): Iterable<[number, Change]>
}

function createChanges(): Changes {
  const changes = new Map<number, Change>()
  return {
    of(build, at) {
      const known = changes.get(build)
      if (known) {
        known.first = Math.min(known.first, at)
        known.last = Math.max(known.last, at)
        return known
      }
      const counts = { hit: 0, missed: 0, executed: 0, local: 0, failed: 0 }
      const change: Change = {
        counts,
        instance: '',
        received: 0,
        sent: 0,
        repeated: 0,
        different: 0,
        first: at,
        last: at,
        count(before, after) {
          if (before !== undefined) counts[before] -= 1
          counts[after] += 1
        },
      }
      changes.set(build, change)
      return change
    },
    all: () => changes,
  }
}

function prepare(
  database: DatabaseSync,
): Readonly<Record<'find' | 'insert' | 'touch' | 'lookup' | 'run' | 'build' | 'sequence' | 'seen', StatementSync>> {
  const counts = actionOutcomes.map((outcome) => `${countColumns[outcome]} = ${countColumns[outcome]} + ?`).join(', ')
  return {
    find: database.prepare('SELECT id, outcome FROM actions WHERE content = ? AND build = ?'),
    insert: database.prepare(
      `INSERT INTO actions
        (build, content, label, outcome, first_seen, last_seen, answer, missing_hash, missing_size, evicted_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    touch: database.prepare(
      'UPDATE actions SET outcome = ?, first_seen = min(first_seen, ?), last_seen = max(last_seen, ?) WHERE id = ?',
    ),
    lookup: database.prepare(
      'UPDATE actions SET answer = ?, missing_hash = ?, missing_size = ?, evicted_ms = ? WHERE id = ? AND answer IS NULL',
    ),
    run: database.prepare(
      `UPDATE actions SET flags = ?, exit_code = ?, status = ?, message = ?, worker = ?, attempts = ?, queued = ?,
        worker_start = ?, input_start = ?, input_end = ?, run_start = ?, run_end = ?, output_start = ?, output_end = ?,
        worker_end = ? WHERE id = ?`,
    ),
    build: database.prepare(
      `UPDATE builds SET ${counts}, received = received + ?, sent = sent + ?,
        repeated = repeated + ?, different = different + ?, dropped = dropped + ?,
        instance = iif(instance = '', ?, instance), first_seen = min(first_seen, ?), last_seen = max(last_seen, ?) WHERE id = ?`,
    ),
    sequence: database.prepare('SELECT sequence FROM runs WHERE run = ?'),
    seen: database.prepare('INSERT OR REPLACE INTO runs (run, sequence, seen) VALUES (?, ?, ?)'),
  }
}
