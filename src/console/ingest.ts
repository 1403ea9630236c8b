import type { DatabaseSync } from 'node:sqlite'
import { type Digest, digestKey } from '../core/digest.ts'
import { createActionRows, seenOutcome } from './action-rows.ts'
import { type BuildChanges, prepareBuildChanges } from './build-changes.ts'
import type { Client, ConsoleEvent, RepeatEvent } from './events.ts'
import { createIds } from './ids.ts'
import { createUnnamedBuilds } from './unnamed-builds.ts'

/** A batch from a server, decoded. */
export interface Batch {
  readonly run: Uint8Array
  readonly sequence: number
  readonly dropped: number
  readonly events: readonly ConsoleEvent[]
}

/** An action whose Action and Command should be read now. */
export interface Readable {
  readonly content: number
  readonly action: Digest
  readonly instance: string
  /** A worker ran it: its input tree is in the CAS. */
  readonly ran: boolean
}

/** What remains to be read from the cache after a batch. */
export interface Written {
  readonly readable: readonly Readable[]
  /** Results that differ, with the number of their build. */
  readonly different: readonly { readonly build: number; readonly event: RepeatEvent }[]
}

export interface Ingest {
  /**
   * Writes a batch in one transaction.
   * @returns what to read now; undefined for a batch that was written before
   * @throws what SQLite throws
   */
  add(batch: Batch): Written | undefined
  /** Rows were removed: cached ids are no longer valid. */
  forget(): void
}

export function createIngest(database: DatabaseSync): Ingest {
  const lastSequence = database.prepare('SELECT sequence FROM runs WHERE run = ?')
  const noteRun = database.prepare('INSERT OR REPLACE INTO runs (run, sequence, seen) VALUES (?, ?, ?)')
  const ids = createIds(database)
  const actions = createActionRows(database, ids)
  const changesOfBatch = prepareBuildChanges(database)
  const unnamedBuild = createUnnamedBuilds()

  function buildOf(client: Client, instance: string, at: number): number {
    return ids.build(client.invocation || unnamedBuild(client, at), client, instance, at)
  }

  function write(event: ConsoleEvent, changes: BuildChanges, different: Different[]): Readable | undefined {
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
    const { before, after } = actions.add(event, build, content.id)
    change.count(before, after)
    if (content.known || seenOutcome(event) === 'missed') return undefined
    return { content: content.id, action: event.action, instance: event.instance, ran: event.kind === 'execution' }
  }

  function writeBatch({ events, dropped }: Batch): Written {
    const changes = changesOfBatch()
    const different: Different[] = []
    const readable = new Map<string, Readable>()
    for (const event of events) {
      const each = write(event, changes, different)
      if (!each) continue
      const key = digestKey(each.action)
      readable.set(key, { ...each, ran: each.ran || (readable.get(key)?.ran ?? false) })
    }
    changes.write(dropped)
    return { readable: [...readable.values()], different }
  }

  return {
    forget: ids.forget,
    add(batch) {
      database.exec('BEGIN IMMEDIATE')
      try {
        const last = Number(lastSequence.get(batch.run)?.['sequence'] ?? 0)
        const written = batch.sequence > last ? writeBatch(batch) : undefined
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
