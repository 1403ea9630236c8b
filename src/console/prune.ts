import type { DatabaseSync } from 'node:sqlite'
import type { KeptBlobs } from './blobs.ts'
import { number } from './cells.ts'

/** The limits of the history. */
export interface Bounds {
  readonly bytesMax: number
  /** How long a build is kept, in milliseconds. */
  readonly ageMsMax: number
}

/** Rows removed in one slice: some 10 ms of work. */
const sliceRows = 1_000
/** Tables that refer to a build, besides its actions. */
const toldTables = [
  'event_streams',
  'invocation_targets',
  'invocation_tests',
  'invocation_attempts',
  'invocation_failures',
  'invocation_output',
  'repeats',
  'explanations',
] as const
/** The share of the history that kept blobs may take. */
const blobsShareMax = 1 / 2
/** Server runs whose last batch is older than this, in milliseconds, will send nothing more. */
const runMsMax = 7 * 24 * 3_600_000

/**
 * Removes a slice of what is too old or too large: whole builds, least recently active first, then what only they
 * referenced.
 * @returns whether there is more to remove
 * @throws what SQLite throws
 */
export type Prune = (now: number) => boolean

export function createPrune(database: DatabaseSync, blobs: KeptBlobs, bounds: Bounds): Prune {
  const pages = database.prepare('PRAGMA page_count')
  const free = database.prepare('PRAGMA freelist_count')
  const pageSize = number(database.prepare('PRAGMA page_size').get()?.['page_size'])
  const oldest = database.prepare('SELECT id, last_seen FROM builds ORDER BY last_seen LIMIT 1')
  const actions = database.prepare(
    'DELETE FROM actions WHERE id IN (SELECT id FROM actions WHERE build = ? LIMIT ?) RETURNING content, label',
  )
  const build = database.prepare('DELETE FROM builds WHERE id = ?')
  const invocation = database.prepare('DELETE FROM invocations WHERE build = ?')
  const told = toldTables.map((table) =>
    database.prepare(`DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE build = ? LIMIT ?)`),
  )
  const content = database.prepare(
    'DELETE FROM contents WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM actions WHERE content = ?1)',
  )
  const ofContent = ['outputs', 'unread'].map((table) => database.prepare(`DELETE FROM ${table} WHERE content = ?`))
  const label = database.prepare(
    'DELETE FROM labels WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM actions WHERE label = ?1)',
  )
  const runs = database.prepare('DELETE FROM runs WHERE seen < ?')

  function usedBytes(): number {
    return (number(pages.get()?.['page_count']) - number(free.get()?.['freelist_count'])) * pageSize
  }

  /** A part of a build, or the build itself once nothing else is left of it. */
  function removeFrom(id: number): void {
    for (const each of told) if (Number(each.run(id, sliceRows).changes) === sliceRows) return
    const rows = actions.all(id, sliceRows)
    for (const each of new Set(rows.map((row) => number(row['content']))))
      if (Number(content.run(each).changes) > 0) for (const rows of ofContent) rows.run(each)
    for (const each of new Set(rows.map((row) => number(row['label'])))) label.run(each)
    if (rows.length < sliceRows) {
      invocation.run(id)
      build.run(id)
    }
  }

  function removeSlice(now: number): boolean {
    const first = oldest.get()
    const firstSeen = first ? number(first['last_seen']) : now
    if (first && now - firstSeen > bounds.ageMsMax) {
      removeFrom(number(first['id']))
      return true
    }
    if (blobs.bytes > bounds.bytesMax * blobsShareMax) return blobs.removeOldest(sliceRows) > 0
    // Uses are noted by the hour (blobs.ts), and a blob is read some time after its action's event.
    if (blobs.removeUnused(Math.min(firstSeen, now) - 2 * 3_600_000, sliceRows) > 0) return true
    if (first && usedBytes() > bounds.bytesMax) {
      removeFrom(number(first['id']))
      return true
    }
    runs.run(now - runMsMax)
    return false
  }

  return (now) => {
    database.exec('BEGIN IMMEDIATE')
    try {
      const more = removeSlice(now)
      database.exec('COMMIT')
      // Free pages are returned to the file system, some at a time.
      database.exec(`PRAGMA incremental_vacuum(${sliceRows})`)
      return more
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      blobs.recount()
      throw error
    }
  }
}
