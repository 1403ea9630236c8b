import type { DatabaseSync } from 'node:sqlite'
import type { Digest, DigestFunction } from '../core/digest.ts'
import { number, type Row, text } from './cells.ts'

/** An action whose Action and Command should be read. */
export interface Readable {
  /** Id in the table `contents`. */
  readonly content: number
  readonly action: Digest
  readonly instance: string
  /** A worker ran it: its input tree is in the CAS. */
  readonly ran: boolean
}

/**
 * Actions waiting to be read, oldest first, in the table `unread`. One stays there until it has been read. One that has
 * failed too often is given up, and waits again once it is seen again. All throw what SQLite throws.
 */
export interface ReadingQueue {
  /** Adds an action, within the caller's transaction. @param at milliseconds since 1970 */
  add(action: Readable, at: number): void
  /** The next actions to read together; none if none waits. One that has failed before is read alone. */
  next(): readonly Readable[]
  /** They have been read, and leave the queue, except for those that were seen in another way meanwhile. */
  done(actions: readonly Readable[]): void
  /** They could not be read: they go to the end. @returns those that have failed too often, and are given up */
  failed(actions: readonly Readable[]): Readable[]
  /** When the first of those that wait was added; undefined if none waits. */
  waitingSince(): number | undefined
}

const batchMax = 100
/** With the delays between, a few minutes: a restarting cache is back by then. */
const attemptsMax = 8

export function createReadingQueue(database: DatabaseSync): ReadingQueue {
  const insert = database.prepare(
    `INSERT INTO unread (content, instance, ran, since) VALUES (?, ?, ?, ?) ON CONFLICT (content) DO UPDATE SET
      instance = iif(excluded.ran > ran, excluded.instance, instance), ran = max(ran, excluded.ran),
      failures = iif(since IS NULL, 0, failures), since = coalesce(since, excluded.since)`,
  )
  const first = database.prepare(
    `SELECT u.content, c.fn, c.hash, c.size, u.instance, u.ran, u.failures FROM unread u JOIN contents c ON c.id = u.content
      WHERE u.since IS NOT NULL ORDER BY u.id LIMIT ${batchMax}`,
  )
  const remove = database.prepare(
    'DELETE FROM unread WHERE content = ?1 AND ran = ?2 AND EXISTS (SELECT 1 FROM contents WHERE id = ?1 AND hash = ?3)',
  )
  const toTheEnd = database.prepare(
    `UPDATE unread SET id = (SELECT max(id) FROM unread) + 1, failures = failures + 1,
      since = iif(failures + 1 < ${attemptsMax}, since, NULL) WHERE content = ? RETURNING since`,
  )
  const oldest = database.prepare('SELECT min(since) AS since FROM unread')

  function together<T>(work: () => T): T {
    database.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      database.exec('COMMIT')
      return result
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  return {
    add: ({ content, instance, ran }, at) => {
      insert.run(content, instance, ran ? 1 : 0, at)
    },
    next() {
      const batch: Readable[] = []
      for (const row of first.all()) {
        const isAlone = number(row['failures']) > 0
        if (isAlone && batch.length > 0) break
        batch.push(readableOf(row))
        if (isAlone) break
      }
      return batch
    },
    done: (actions) =>
      together(() => {
        for (const { content, ran, action } of actions) remove.run(content, ran ? 1 : 0, action.hash)
      }),
    failed: (actions) =>
      together(() =>
        actions.filter(({ content }) => {
          const row = toTheEnd.get(content)
          return row !== undefined && row['since'] === null
        }),
      ),
    waitingSince() {
      const since = oldest.get()?.['since'] ?? null
      return since === null ? undefined : number(since)
    },
  }
}

function readableOf(row: Row): Readable {
  return {
    content: number(row['content']),
    action: { fn: text(row['fn']) as DigestFunction, hash: text(row['hash']), size: number(row['size']) },
    instance: text(row['instance']),
    ran: row['ran'] === 1,
  }
}
