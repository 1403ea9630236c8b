import type { DatabaseSync } from 'node:sqlite'
import { number } from '../cells.ts'
import type { Told } from './told.ts'
import { createWriter } from './write.ts'

/** An event as received, with its place in its stream. */
export interface StreamEvent {
  /** The stream; one invocation may have several. */
  readonly stream: string
  readonly invocation: string
  /** An id that several invocations share; may be empty. */
  readonly correlated: string
  /** From 1. */
  readonly sequence: number
  /** When it arrived, in milliseconds since 1970. */
  readonly at: number
  /** Undefined for an event of which nothing is kept. */
  readonly told: Told | undefined
  /** It is the last one of its stream. */
  readonly last: boolean
}

/** kept: it is on disk. repeated: it already was. gap: others are missing before it, and it was not written. */
export type Reception = 'kept' | 'repeated' | 'gap'

export interface KeptStreams {
  /**
   * Stores events with their numbers in one transaction: those before a gap, and none after it. A stream that is not
   * known, because the history was reset or has lost the build, may begin anywhere: its client has discarded what was
   * acknowledged, and nobody can send it again.
   * @returns what became of each, up to the first gap
   * @throws what SQLite throws
   */
  add(events: readonly StreamEvent[]): Reception[]
}

export function createKeptStreams(database: DatabaseSync): KeptStreams {
  const find = database.prepare('SELECT id, sequence FROM event_streams WHERE name = ?')
  const open = database.prepare('INSERT INTO event_streams (name, build, sequence) VALUES (?, ?, 0)')
  const advance = database.prepare('UPDATE event_streams SET sequence = ?, ended = max(ended, ?) WHERE id = ?')
  const build = database.prepare(
    `INSERT INTO builds (name, correlated, tool, tool_version, instance, first_seen, last_seen)
      VALUES (?, ?, 'bazel', '', '', ?, ?)
      ON CONFLICT (name) DO UPDATE SET last_seen = max(last_seen, excluded.last_seen) RETURNING id`,
  )
  const invocation = database.prepare(
    `INSERT INTO invocations (build, left_out) VALUES (?, ?)
      ON CONFLICT (build) DO UPDATE SET left_out = left_out + excluded.left_out`,
  )
  const write = createWriter(database)

  function keep({ stream, invocation: name, correlated, sequence, at, told, last }: StreamEvent): Reception {
    const known = find.get(stream)
    if (known && sequence <= number(known['sequence'])) return 'repeated'
    if (known && sequence > number(known['sequence']) + 1) return 'gap'
    const id = number(build.get(name, correlated, at, at)?.['id'])
    if (!known) invocation.run(id, sequence - 1)
    const row = known ? number(known['id']) : Number(open.run(stream, id).lastInsertRowid)
    if (told) write(id, told)
    advance.run(sequence, last ? 1 : 0, row)
    return 'kept'
  }

  return {
    add(events) {
      database.exec('BEGIN IMMEDIATE')
      try {
        const receptions: Reception[] = []
        for (const event of events) {
          const reception = keep(event)
          receptions.push(reception)
          if (reception === 'gap') break
        }
        database.exec('COMMIT')
        return receptions
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw error
      }
    },
  }
}
