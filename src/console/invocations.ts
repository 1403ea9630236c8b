import type { DatabaseSync } from 'node:sqlite'
import {
  type AttemptRecord,
  type FailureRecord,
  type InvocationRecord,
  type InvocationSummary,
  type LogOwner,
  type LogRecord,
  type TargetRecord,
  type TestRecord,
  targetStates,
  testStatuses,
} from '../core/invocation.ts'
import { shownValue } from '../explain/secrets.ts'
import { number, type Row, text } from './cells.ts'

/** Reads what was reported of a build, by its full id; undefined if nothing was. @throws what SQLite throws */
export type ReadInvocation = (build: string) => InvocationRecord | undefined

/** Reads one of its logs, as in core/invocation.ts. @throws what SQLite throws */
export type ReadLog = (build: string, of: LogOwner, row: number, at: number) => LogRecord | undefined

const ownerTables = { attempt: 'invocation_attempts', failure: 'invocation_failures' } as const

export function createReadLog(database: DatabaseSync): ReadLog {
  const statementFor = (of: LogOwner) =>
    database.prepare(
      `SELECT logs FROM ${ownerTables[of]} WHERE id = ? AND build = (SELECT id FROM builds WHERE name = ?)`,
    )
  const statements = { attempt: statementFor('attempt'), failure: statementFor('failure') }
  return (build, of, row, at) => {
    const found = Number.isSafeInteger(row) ? statements[of].get(row, build) : undefined
    return found && logs(found)[at]
  }
}

/** Of each list, failures first. */
const shownMax = 500
const attemptsMax = 1_000

export function createReadInvocation(database: DatabaseSync): ReadInvocation {
  const one = database.prepare(
    `SELECT i.*, EXISTS (SELECT 1 FROM event_streams s WHERE s.build = i.build AND s.ended = 1) AS complete
      FROM invocations i WHERE i.build = (SELECT id FROM builds WHERE name = ?)`,
  )
  const targets = database.prepare(
    'SELECT * FROM invocation_targets WHERE build = ? ORDER BY state DESC, label, aspect LIMIT ?',
  )
  // Failed, then flaky, then the rest.
  const tests = database.prepare(
    'SELECT * FROM invocation_tests WHERE build = ? ORDER BY status IN (0, 1), status = 2, label LIMIT ?',
  )
  const attempts = database.prepare(
    'SELECT * FROM invocation_attempts WHERE build = ? AND label = ? ORDER BY run, shard, attempt LIMIT ?',
  )
  const failures = database.prepare('SELECT * FROM invocation_failures WHERE build = ? ORDER BY id LIMIT ?')
  const output = database.prepare('SELECT data FROM invocation_output WHERE build = ? ORDER BY id')

  return (name) => {
    const row = one.get(name)
    if (!row) return undefined
    const build = number(row['build'])
    const printed = output.all(build).map((each) => text(each['data']))
    return {
      ...invocationSummary(row),
      complete: row['complete'] === 1,
      workspace: text(row['workspace']),
      options: strings(row['options']),
      allOptions: strings(row['all_options']),
      message: text(row['message']),
      profile: text(row['profile']),
      ...(row['wall_ms'] !== null && { wallMs: number(row['wall_ms']) }),
      ...(row['cpu_ms'] !== null && { cpuMs: number(row['cpu_ms']) }),
      targetsShown: targets.all(build, shownMax).map(targetRecord),
      testsShown: tests
        .all(build, shownMax)
        .map((test) => testRecord(test, attempts.all(build, text(test['label']), attemptsMax))),
      failures: failures.all(build, shownMax).map(failureRecord),
      output: withoutSecrets(printed.join('')),
      outputCut: number(row['output_cut']),
      leftOut: number(row['left_out']),
    }
  }
}

/** The columns of `invocations i` for a summary. */
export const summaryColumns = `i.command, i.patterns, i.started, i.finished, i.exit_code, i.exit_name, i.targets,
  i.targets_failed, i.tests, i.tests_failed`

export function invocationSummary(row: Row): InvocationSummary {
  return {
    command: text(row['command']),
    patterns: strings(row['patterns']),
    ...(row['started'] !== null && { started: number(row['started']) }),
    ...(row['finished'] !== null && { finished: number(row['finished']) }),
    ...(row['exit_code'] !== null && { exit: { code: number(row['exit_code']), name: text(row['exit_name']) } }),
    targets: number(row['targets']),
    targetsFailed: number(row['targets_failed']),
    tests: number(row['tests']),
    testsFailed: number(row['tests_failed']),
  }
}

function targetRecord(row: Row): TargetRecord {
  return {
    label: text(row['label']),
    aspect: text(row['aspect']),
    kind: text(row['kind']),
    state: targetStates[number(row['state'])] ?? 'configured',
    message: text(row['message']),
  }
}

function testRecord(row: Row, attempts: readonly Row[]): TestRecord {
  return { label: text(row['label']), status: statusOf(row), attempts: attempts.map(attemptRecord) }
}

function attemptRecord(row: Row): AttemptRecord {
  return {
    row: number(row['id']),
    run: number(row['run']),
    shard: number(row['shard']),
    attempt: number(row['attempt']),
    status: statusOf(row),
    ...(row['ms'] !== null && { ms: number(row['ms']) }),
    cached: row['cached'] === 1,
    details: text(row['details']),
    logs: logs(row),
  }
}

function failureRecord(row: Row): FailureRecord {
  return {
    row: number(row['id']),
    label: text(row['label']),
    mnemonic: text(row['mnemonic']),
    output: text(row['output']),
    message: text(row['message']),
    logs: logs(row),
  }
}

function statusOf(row: Row) {
  return testStatuses[number(row['status'])] ?? 'unknown'
}

/** They were written as lists (bes/write.ts). */
function strings(value: Row[string] | undefined): string[] {
  return JSON.parse(text(value) || '[]') as string[]
}

function logs(row: Row): LogRecord[] {
  return JSON.parse(text(row['logs']) || '[]') as LogRecord[]
}

/** Whole lines, since a name and its value may have arrived in two pieces. */
function withoutSecrets(printed: string): string {
  return printed
    .split('\n')
    .map((line) => shownValue('', line))
    .join('\n')
}
