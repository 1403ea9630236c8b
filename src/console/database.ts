import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../core/clock.ts'
import { errnoOf, Failure, messageOf } from '../core/failure.ts'
import { makeFolder } from '../host/folders.ts'
import { systemFailure } from '../host/system-errors.ts'
import type { Log } from '../telemetry/log.ts'
import { migrations } from './schema.ts'

export interface DatabaseOptions {
  /** The file; its folder is created. */
  readonly path: string
  /** Maximum size of the file in bytes; a write beyond it fails with SQLITE_FULL. */
  readonly bytesMax: number
  readonly clock: Clock
  readonly log: Log
}

/** An open database, and what was prepared for it. */
export interface Opened<T> {
  readonly database: DatabaseSync
  readonly tables: T
}

const pageBytes = 4096
/** How long a write waits for another process that has the database open, in milliseconds: none should. */
const busyMs = 2_000
/** Page cache: with SQLite's default 2 MB, each question about an action reads a dozen pages from the file again. */
const cacheKiB = 64 * 1024
/** Size to which the write-ahead log is truncated. */
const walBytesKept = 16 * 1024 * 1024

/**
 * Opens the history's database and migrates it to this release. One that cannot be read, or that a later release has
 * written, is moved aside for an empty one: a console that starts is worth more than the history.
 * @param prepare makes what the database is used through; its errors mean that the tables are not what they should be
 * @throws Failure when the file or its folder cannot be written
 */
export function openDatabase<T>(options: DatabaseOptions, prepare: (database: DatabaseSync) => T): Opened<T> {
  const { path, log } = options
  makeFolder(dirname(path), 'cannot make the folder of the history of builds', 0o700)
  try {
    return openChecked(options, prepare)
  } catch (error) {
    const reason = reasonUnusable(error)
    if (reason === undefined) throw asFailure(error, path)
    const aside = moveAside(options)
    log.warn('the history of builds cannot be used and begins anew', { file: path, reason, aside })
    return openChecked(options, prepare)
  }
}

/** Thrown for a database of a later release. */
class FromTheFuture extends Error {}

function openChecked<T>({ path, bytesMax }: DatabaseOptions, prepare: (database: DatabaseSync) => T): Opened<T> {
  // Loaded only where a console runs.
  const { DatabaseSync: Database } = process.getBuiltinModule('node:sqlite')
  // A clean shutdown leaves no log and an intact database.
  const unclean = existsSync(`${path}-wal`)
  const database = new Database(path, { timeout: busyMs })
  try {
    // Arguments and environments of builds are private; the log beside it gets the same mode.
    chmodSync(path, 0o600)
    database.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;`)
    database.exec(`PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = ${walBytesKept};`)
    database.exec(`PRAGMA cache_size = -${cacheKiB}`)
    migrate(database)
    if (unclean) assertWhole(database, path)
    database.exec(`PRAGMA max_page_count = ${Math.ceil(bytesMax / pageBytes)}`)
    return { database, tables: prepare(database) }
  } catch (error) {
    database.close()
    throw error
  }
}

/** @throws Failure 'corrupt' */
function assertWhole(database: DatabaseSync, path: string): void {
  const said = String(database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'])
  if (said !== 'ok') throw new Failure('corrupt', `the database is damaged: ${said}`, { where: path })
}

/** Each step is a transaction. */
function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version > migrations.length)
    throw new FromTheFuture(`it is of version ${version}, and this release knows ${migrations.length}`)
  for (let at = version; at < migrations.length; at += 1)
    database.exec(`BEGIN IMMEDIATE; ${migrations[at]}; PRAGMA user_version = ${at + 1}; COMMIT;`)
}

const corrupt = 11
const notADatabase = 26
const schemaError = 1
const constraint = 19
const mismatch = 20

/** SQLite's primary result code, if it is SQLite's error. */
export function sqliteCode(error: unknown): number | undefined {
  if (errnoOf(error) !== 'ERR_SQLITE_ERROR' || !(error instanceof Error) || !('errcode' in error)) return undefined
  // The lower byte; the upper ones are the extended code.
  return Number(error.errcode) & 0xff
}

/** Is the database file damaged? */
export function isDamage(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === corrupt || code === notADatabase || (error instanceof Failure && error.kind === 'corrupt')
}

/** Did the tables reject the values (SQLITE_CONSTRAINT, SQLITE_MISMATCH), rather than the operation fail? */
export function isUnfit(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === constraint || code === mismatch
}

function reasonUnusable(error: unknown): string | undefined {
  const unusable = error instanceof FromTheFuture || isDamage(error) || sqliteCode(error) === schemaError
  return unusable ? messageOf(error) : undefined
}

/**
 * Moves a closed database out of the way.
 * @returns where it is now
 */
export function moveAside({ path, clock }: Pick<DatabaseOptions, 'path' | 'clock'>): string {
  const aside = `${path}.unusable-${clock.now()}`
  try {
    renameSync(path, aside)
    // They belong to it, and would be taken for the new one's.
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
    return aside
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot move an unusable history aside', where: path })
  }
}

function asFailure(error: unknown, path: string): unknown {
  if (sqliteCode(error) === undefined) return error
  return new Failure('unavailable', `cannot open the history of builds: ${messageOf(error)}`, {
    where: path,
    cause: error,
  })
}
