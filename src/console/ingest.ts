import type { DatabaseSync } from 'node:sqlite'
import { createActionRows, seenOutcome } from './action-rows.ts'
import { type BuildChanges, prepareBuildChanges } from './build-changes.ts'
import type { Client, ConsoleEvent, RepeatEvent } from './events.ts'
import { createIds } from './ids.ts'
import type { ReadingQueue } from './reading-queue.ts'
import { createUnnamedBuilds } from './unnamed-builds.ts'

/** A batch from a server, decoded. */
export interface Batch {
  readonly run: Uint8Array
  readonly sequence: number
  readonly dropped: number
  readonly events: readonly ConsoleEvent[]
}

/** What remains to be done after a batch. */
export interface Written {
  /** Results that differ, with the number of their build. */
  readonly different: readonly { readonly build: number; readonly event: RepeatEvent }[]
}

export interface Ingest {
  /**
   * Writes a batch in one transaction, and queues its actions to be read from the cache.
   * @param now milliseconds since 1970
   * @returns undefined for a batch that was written before
   * @throws what SQLite throws
   */
  add(batch: Batch, now: number): Written | undefined
  /** Rows were removed: cached ids are no longer valid. */
  forget(): void
}

export function createIngest(database: DatabaseSync, unread: Pick<ReadingQueue, 'add'>): Ingest {
  const lastSequence = database.prepare('SELECT sequence FROM runs WHERE run = ?')
  const noteRun = database.prepare('INSERT OR REPLACE INTO runs (run, sequence, seen) VALUES (?, ?, ?)')
  const ids = createIds(database)
  const actions = createActionRows(database, ids)
  const changesOfBatch = prepareBuildChanges(database)
  const unnamedBuild = createUnnamedBuilds()

  function buildOf(client: Client, instance: string, at: number): number {
    return ids.build(client.invocation || unnamedBuild(client, at), client, instance, at)
  }

  function write(event: ConsoleEvent, now: number, changes: BuildChanges, different: Different[]): void {
    if (event.kind === 'traffic') {
      const change = changes.of(buildOf(event.client, '', event.at), event.at)
      change.received += event.received
      change.sent += event.sent
      change.saved += event.saved
      return
    }
    const build = buildOf(event.client, event.instance, event.at)
    const change = changes.of(build, event.at)
    change.instance ||= event.instance
    if (event.kind === 'repeat') {
      change.repeated += 1
      if (event.results) different.push({ build, event })
      change.different += event.results ? 1 : 0
      return
    }
    const content = ids.content(event.action)
    const { before, after } = actions.add(event, build, content.id)
    change.count(before, after)
    if (content.known || seenOutcome(event) === 'missed') return
    const { action, instance, kind } = event
    unread.add({ content: content.id, action, instance, ran: kind === 'execution' }, now)
  }

  function writeBatch({ events, dropped }: Batch, now: number): Written {
    const changes = changesOfBatch()
    const different: Different[] = []
    for (const event of events) write(event, now, changes, different)
    changes.write(dropped)
    return { different }
  }

  return {
    forget: ids.forget,
    add(batch, now) {
      database.exec('BEGIN IMMEDIATE')
      try {
        const last = Number(lastSequence.get(batch.run)?.['sequence'] ?? 0)
        const written = batch.sequence > last ? writeBatch(batch, now) : undefined
        noteRun.run(batch.run, Math.max(batch.sequence, last), batch.events[0]?.at ?? 0)
        database.exec('COMMIT')
        return written
      } catch (error) {
        // Ids assigned in this transaction were rolled back.
        ids.forget()
        if (database.isTransaction) database.exec('ROLLBACK')
        throw error
      }
    },
  }
}

type Different = Written['different'][number]
