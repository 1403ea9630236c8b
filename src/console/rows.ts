import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite'
import {
  type ActionRecord,
  type ActionTimes,
  actionOutcomes,
  type BuildRecord,
  type EarlierAction,
  type LookupRecord,
  lookupAnswers,
} from '../core/build-history.ts'
import type { Digest, DigestFunction } from '../core/digest.ts'
import { number, type Row, text } from './cells.ts'
import { invocationSummary } from './invocations.ts'

/** The columns of a query for actions; `actions a`, `contents c`, `labels l` and `builds b` are joined. */
const columns = [
  ...['a.id', 'b.name', 'b.instance', 'c.fn', 'c.hash', 'c.size', 'l.target', 'l.mnemonic', 'l.configuration'],
  ...['c.command_hash', 'c.command_size', 'c.root_hash', 'c.root_size', 'c.first_output', 'a.outcome'],
  ...['a.first_seen', 'a.last_seen', 'a.answer', 'a.missing_hash', 'a.missing_size', 'a.evicted_ms', 'a.flags'],
  ...['a.exit_code', 'a.status', 'a.message', 'a.worker', 'a.attempts', 'a.queued', 'a.worker_start'],
  ...['a.input_start', 'a.input_end', 'a.run_start', 'a.run_end', 'a.output_start', 'a.output_end', 'a.worker_end'],
] as const
type Column = (typeof columns)[number]
export const actionTables = `actions a JOIN contents c ON c.id = a.content JOIN labels l ON l.id = a.label
  JOIN builds b ON b.id = a.build`

/** A row with its columns by position: an object with forty names takes six times as long to make. */
export type Values = readonly SQLOutputValue[]

/**
 * A query that returns arrays, in the order of actionRecord or of the caller's own columns.
 * @param sql what follows `SELECT columns`
 */
export function prepareArrays(database: DatabaseSync, sql: string): ArrayStatement {
  const statement = database.prepare(sql)
  statement.setReturnArrays(true)
  // The row type in @types/node only holds without setReturnArrays.
  return statement as unknown as ArrayStatement
}

export interface ArrayStatement {
  get(...values: SQLInputValue[]): Values | undefined
  all(...values: SQLInputValue[]): Values[]
}

/** A query for actions, in the columns of actionRecord. */
export function prepareActions(database: DatabaseSync, rest: string): ArrayStatement {
  return prepareArrays(database, `SELECT ${columns.join(', ')} FROM ${actionTables} ${rest}`)
}

export function buildRecord(row: Row): BuildRecord {
  const counts = {
    hits: number(row['hits']),
    executed: number(row['executed']),
    local: number(row['local']),
    failed: number(row['failed']),
    missed: number(row['missed']),
  }
  return {
    id: text(row['name']),
    correlatedId: text(row['correlated']),
    tool: text(row['tool']),
    toolVersion: text(row['tool_version']),
    instance: text(row['instance']),
    firstSeen: number(row['first_seen']),
    lastSeen: number(row['last_seen']),
    actions: Object.values(counts).reduce((sum, each) => sum + each, 0),
    ...counts,
    bytesReceived: number(row['received']),
    bytesSent: number(row['sent']),
    bytesSaved: number(row['saved']),
    dropped: number(row['dropped']),
    ...(row['repeated'] !== 0 && { repeats: { run: number(row['repeated']), different: number(row['different']) } }),
    ...(row['told'] !== null && { told: invocationSummary(row) }),
  }
}

const places = Object.fromEntries(columns.map((column, place) => [column, place])) as Readonly<Record<Column, number>>

export function actionRecord(row: Values): ActionRecord {
  const value = (column: Column) => row[places[column]]
  const flags = number(value('a.flags'))
  const fn = text(value('c.fn')) as DigestFunction
  const command = digest(fn, value('c.command_hash'), value('c.command_size'))
  const inputRoot = digest(fn, value('c.root_hash'), value('c.root_size'))
  const lookup = lookupOf(row)
  return {
    row: number(value('a.id')),
    build: text(value('b.name')),
    instance: text(value('b.instance')),
    digest: { fn, hash: text(value('c.hash')), size: number(value('c.size')) },
    target: text(value('l.target')),
    mnemonic: text(value('l.mnemonic')),
    configuration: text(value('l.configuration')),
    ...(command && { command }),
    ...(inputRoot && { inputRoot }),
    firstOutput: text(value('c.first_output')),
    outcome: actionOutcomes[number(value('a.outcome'))] ?? 'missed',
    firstSeen: number(value('a.first_seen')),
    lastSeen: number(value('a.last_seen')),
    ...(lookup && { lookup }),
    skipCacheLookup: (flags & 1) !== 0,
    doNotCache: (flags & 2) !== 0,
    merged: (flags & 4) !== 0,
    exitCode: number(value('a.exit_code')),
    status: number(value('a.status')),
    message: text(value('a.message')),
    worker: text(value('a.worker')),
    attempts: number(value('a.attempts')),
    times: timesOf(row),
  }
}

/** The columns of earlierAction; `actions a`, `contents c` and `builds b` are joined. */
export const earlierColumns = `a.id, b.name, b.instance, c.fn, c.hash, c.size, c.command_hash, c.command_size,
  c.root_hash, c.root_size, c.first_output, a.outcome, a.first_seen`

export function earlierAction(row: Values): EarlierAction {
  const [id, name, instance, ofFn, hash, size, commandHash, commandSize, rootHash, rootSize, output, outcome, seen] =
    row
  const fn = text(ofFn) as DigestFunction
  const command = digest(fn, commandHash, commandSize)
  const inputRoot = digest(fn, rootHash, rootSize)
  return {
    row: number(id),
    build: text(name),
    instance: text(instance),
    digest: { fn, hash: text(hash), size: number(size) },
    ...(command && { command }),
    ...(inputRoot && { inputRoot }),
    firstOutput: text(output),
    outcome: actionOutcomes[number(outcome)] ?? 'missed',
    firstSeen: number(seen),
  }
}

function lookupOf(row: Values): LookupRecord | undefined {
  const answer = row[places['a.answer']]
  if (answer === null) return undefined
  const hash = text(row[places['a.missing_hash']])
  const evictedMs = row[places['a.evicted_ms']]
  return {
    answer: lookupAnswers[number(answer)] ?? 'absent',
    ...(hash !== '' && { missing: { hash, size: number(row[places['a.missing_size']]) } }),
    ...(evictedMs !== null && { evictedMs: number(evictedMs) }),
  }
}

const timeColumns: Readonly<Record<keyof ActionTimes, Column>> = {
  queued: 'a.queued',
  workerStart: 'a.worker_start',
  inputStart: 'a.input_start',
  inputEnd: 'a.input_end',
  runStart: 'a.run_start',
  runEnd: 'a.run_end',
  outputStart: 'a.output_start',
  outputEnd: 'a.output_end',
  workerEnd: 'a.worker_end',
}
const timePlaces = (Object.entries(timeColumns) as [keyof ActionTimes, Column][]).map(
  ([name, column]) => [name, places[column]] as const,
)

function timesOf(row: Values): ActionTimes {
  const times: { -readonly [name in keyof ActionTimes]: number } = {}
  for (const [name, place] of timePlaces) {
    const value = row[place]
    if (value !== null) times[name] = number(value)
  }
  return times
}

function digest(
  fn: DigestFunction,
  hash: SQLOutputValue | undefined,
  size: SQLOutputValue | undefined,
): Digest | undefined {
  const known = text(hash)
  return known === '' ? undefined : { fn, hash: known, size: number(size) }
}
