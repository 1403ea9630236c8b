import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { type ActionOutcome, actionOutcomes, type LookupRecord, lookupAnswers } from '../core/build-history.ts'
import type { ActionEvent, Run } from './events.ts'
import type { Ids } from './ids.ts'
import { outcomeAfter, outcomeNumber } from './outcomes.ts'

/** The rows of the table `actions`: one for each action of each build, whatever is known of it. */
export interface ActionRows {
  /**
   * Records an event of an action of a build.
   * @param content the action's number
   * @returns its outcome before, if it had any, and now
   * @throws what SQLite throws
   */
  add(event: ActionEvent, build: number, content: number): { before: ActionOutcome | undefined; after: ActionOutcome }
}

export function createActionRows(database: DatabaseSync, ids: Ids): ActionRows {
  const find = database.prepare('SELECT id, outcome FROM actions WHERE content = ? AND build = ?')
  const insertion = database.prepare(
    `INSERT INTO actions
      (build, content, label, outcome, first_seen, last_seen, answer, missing_hash, missing_size, evicted_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const touch = database.prepare(
    'UPDATE actions SET outcome = ?, first_seen = min(first_seen, ?), last_seen = max(last_seen, ?) WHERE id = ?',
  )
  const firstLookup = database.prepare(
    'UPDATE actions SET answer = ?, missing_hash = ?, missing_size = ?, evicted_ms = ? WHERE id = ? AND answer IS NULL',
  )
  const lastRun = database.prepare(
    `UPDATE actions SET flags = ?, exit_code = ?, status = ?, message = ?, worker = ?, attempts = ?, queued = ?,
      worker_start = ?, input_start = ?, input_end = ?, run_start = ?, run_end = ?, output_start = ?, output_end = ?,
      worker_end = ? WHERE id = ?`,
  )

  function insert(event: ActionEvent, build: number, content: number, outcome: ActionOutcome): number {
    const label = ids.label(event.client)
    const { at } = event
    const lookup = event.kind === 'lookup' ? lookupValues(event.lookup) : noLookup
    const { lastInsertRowid } = insertion.run(build, content, label, outcomeNumber(outcome), at, at, ...lookup)
    return Number(lastInsertRowid)
  }

  return {
    add(event, build, content) {
      const row = find.get(content, build)
      const before = row ? actionOutcomes[Number(row['outcome'])] : undefined
      const after = outcomeAfter(before, seenOutcome(event))
      const id = row ? Number(row['id']) : insert(event, build, content, after)
      if (row) touch.run(outcomeNumber(after), event.at, event.at, id)
      if (event.kind !== 'lookup') lastRun.run(...runValues(event.run), id)
      else if (row) firstLookup.run(...lookupValues(event.lookup), id)
      return { before, after }
    },
  }
}

export function seenOutcome(event: ActionEvent): ActionOutcome {
  if (event.kind !== 'lookup') return event.run.outcome
  return event.lookup.answer === 'hit' ? 'hit' : 'missed'
}

/** answer, missing_hash, missing_size, evicted_ms */
function lookupValues({ answer, missing, evictedMs }: LookupRecord): readonly SQLInputValue[] {
  return [lookupAnswers.indexOf(answer), missing?.hash ?? null, missing?.size ?? null, evictedMs ?? null]
}

const noLookup: readonly SQLInputValue[] = [null, null, null, null]

/** In the order of lastRun, without the id. */
function runValues({ times, ...run }: Run): readonly SQLInputValue[] {
  return [
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
  ]
}
