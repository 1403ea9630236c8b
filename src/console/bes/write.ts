import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { isFailedTest, type TestStatus, targetStates, testStatuses } from '../../core/invocation.ts'
import { number } from '../cells.ts'
import { createOutputWriter } from './output.ts'
import type { Told, ToldAttempt, ToldEnd, ToldFailure, ToldTarget } from './told.ts'

/** Targets, tests, attempts and failures of one build, in bytes: some 100,000 of typical length. */
const keptBytesMax = 32 * 1024 * 1024
/** Overhead of a row beyond its texts. */
const rowBytes = 100

/** Writes what was reported of a build, within that build's limits. @throws what SQLite throws */
export type Writer = (build: number, told: Told) => void

export function createWriter(database: DatabaseSync): Writer {
  const statements = prepare(database)
  const output = createOutputWriter(database)

  /** Reserves space for a row with these texts; if there is none, counts it as left out. */
  function takeRoom(build: number, ...texts: readonly string[]): boolean {
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), rowBytes)
    if (Number(statements.room.run(bytes, build, bytes, keptBytesMax).changes) > 0) return true
    statements.leaveOut.run(build)
    return false
  }

  function writeTarget(build: number, { label, aspect, rule, state, message }: ToldTarget): void {
    if (!takeRoom(build, label, aspect, rule, message)) return
    const row = statements.findTarget.get(build, label, aspect)
    const before = row && number(row['state'])
    const after = targetStates.indexOf(state)
    statements.target.run(build, label, aspect, rule, after, message)
    if (aspect !== '') return
    const failed = targetStates.indexOf('failed')
    const newlyFailed = after === failed && before !== failed
    statements.countTargets.run(before === undefined ? 1 : 0, newlyFailed ? 1 : 0, build)
  }

  function writeTest(build: number, label: string, status: TestStatus): void {
    if (!takeRoom(build, label)) return
    const row = statements.findTest.get(build, label)
    const before = row && testStatuses[number(row['status'])]
    statements.test.run(build, label, testStatuses.indexOf(status))
    const failed = Number(isFailedTest(status)) - Number(before !== undefined && isFailedTest(before))
    statements.countTests.run(row ? 0 : 1, failed, build)
  }

  function writeAttempt(build: number, told: ToldAttempt): void {
    const { label, run, shard, attempt, status, ms, cached, details } = told
    const logs = JSON.stringify(told.logs)
    if (!takeRoom(build, label, details, logs)) return
    const [at, is] = [testStatuses.indexOf(status), cached ? 1 : 0]
    statements.attempt.run(build, label, run, shard, attempt, at, ms ?? null, is, details, logs)
    // An interrupted test has no summary.
    if (!statements.findTest.get(build, label)) writeTest(build, label, status)
  }

  function writeFailure(build: number, told: ToldFailure): void {
    const { label, mnemonic, output: path, message } = told
    const logs = JSON.stringify(told.logs)
    if (takeRoom(build, label, mnemonic, path, message, logs))
      statements.failure.run(build, label, mnemonic, path, message, logs)
  }

  function writeEnd(build: number, { at, exit, message }: ToldEnd): void {
    statements.finished.run(at, exit?.code ?? null, exit?.name ?? null, message, build)
  }

  return (build, told) => {
    switch (told.kind) {
      case 'started':
        statements.started.run(told.at, told.command, told.workspace, build)
        statements.version.run(told.toolVersion, build)
        return
      case 'patterns':
        statements.patterns.run(JSON.stringify(told.patterns), build)
        return
      case 'options':
        statements.options.run(JSON.stringify(told.options), JSON.stringify(told.all), build)
        return
      case 'output':
        output(build, told.text)
        return
      case 'target':
        writeTarget(build, told)
        return
      case 'test':
        writeTest(build, told.label, told.status)
        return
      case 'attempt':
        writeAttempt(build, told)
        return
      case 'failure':
        writeFailure(build, told)
        return
      case 'profile':
        statements.profile.run(told.uri, build)
        return
      case 'timing':
        statements.timing.run(told.wallMs, told.cpuMs, build)
        return
      case 'finished':
        writeEnd(build, told)
    }
  }
}

/** One statement for a table of invocations. */
interface Statement {
  run(...values: readonly SQLInputValue[]): { readonly changes: number | bigint }
}

function prepare(database: DatabaseSync) {
  const invocation = (set: string): Statement => database.prepare(`UPDATE invocations SET ${set} WHERE build = ?`)
  return {
    room: database.prepare('UPDATE invocations SET kept = kept + ? WHERE build = ? AND kept + ? <= ?'),
    leaveOut: invocation('left_out = left_out + 1'),
    started: invocation('started = ?, command = ?, workspace = ?'),
    version: database.prepare("UPDATE builds SET tool_version = iif(tool_version = '', ?, tool_version) WHERE id = ?"),
    patterns: invocation('patterns = ?'),
    options: invocation('options = ?, all_options = ?'),
    profile: invocation('profile = ?'),
    timing: invocation('wall_ms = ?, cpu_ms = ?'),
    finished: invocation('finished = ?, exit_code = ?, exit_name = ?, message = ?'),
    countTargets: invocation('targets = targets + ?, targets_failed = targets_failed + ?'),
    countTests: invocation('tests = tests + ?, tests_failed = tests_failed + ?'),
    findTarget: database.prepare('SELECT state FROM invocation_targets WHERE build = ? AND label = ? AND aspect = ?'),
    // A target in several configurations counts once, as failed if any of them failed.
    target: database.prepare(
      `INSERT INTO invocation_targets (build, label, aspect, kind, state, message) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET kind = iif(excluded.kind = '', kind, excluded.kind),
          state = max(state, excluded.state), message = iif(excluded.message = '', message, excluded.message)`,
    ),
    findTest: database.prepare('SELECT status FROM invocation_tests WHERE build = ? AND label = ?'),
    test: database.prepare(
      `INSERT INTO invocation_tests (build, label, status) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET status = excluded.status`,
    ),
    attempt: database.prepare(
      `INSERT OR REPLACE INTO invocation_attempts (build, label, run, shard, attempt, status, ms, cached, details, logs)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    failure: database.prepare(
      `INSERT OR REPLACE INTO invocation_failures (build, label, mnemonic, output, message, logs)
        VALUES (?, ?, ?, ?, ?, ?)`,
    ),
  }
}
