import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite'
import type { ActionRecord } from '../core/build-history.ts'
import { number } from './cells.ts'
import { contentsMax } from './comparable.ts'
import { type ArrayStatement, actionRecord, prepareActions, prepareArrays } from './rows.ts'

/** What an action can be compared with, newest first: `earlier` of core/build-history.ts. @throws what SQLite throws */
export type ReadPredecessors = (row: number, limit: number) => ActionRecord[]

export function createReadPredecessors(database: DatabaseSync): ReadPredecessors {
  const one = prepareArrays(
    database,
    `SELECT a.label, a.content, a.build, c.first_output, l.target <> '' AND l.mnemonic <> ''
      FROM actions a JOIN contents c ON c.id = a.content JOIN labels l ON l.id = a.label WHERE a.id = ?`,
  )
  const whole = prepareActions(database, 'WHERE a.id = ?')
  // Content by content: few contents make one output, while a thousand builds may have had each of them in the cache.
  const makers = prepareArrays(
    database,
    `SELECT o.content, d.first_output = o.path FROM outputs o JOIN contents d ON d.id = o.content
      WHERE o.path = ? ORDER BY o.content DESC LIMIT ${contentsMax}`,
  )
  // The last builds are those that began last; among concurrent ones, any will do.
  const ofContent = `SELECT t.id FROM actions t WHERE t.content = ? AND +t.id < ? AND t.build <> ?`
  const latest = 'ORDER BY t.build DESC LIMIT ?'
  const ofLabel = prepareArrays(database, `${ofContent} AND +t.label = ? ${latest}`)
  const ofAny = prepareArrays(database, `${ofContent} ${latest}`)

  function record(id: number): ActionRecord[] {
    const row = whole.get(id)
    return row ? [actionRecord(row)] : []
  }

  /**
   * Ids, newest first.
   * @param builds how many builds to take actions from, for each content
   */
  function found(row: number, builds: number): number[] {
    const [label = 0, content = 0, build = 0, output = null, named] = one.get(row) ?? []
    if (output === null) return []
    const made = makers.all(output)
    const actions = (contents: Iterable<SQLOutputValue>, statement: ArrayStatement, ...more: SQLInputValue[]) =>
      [...contents]
        .flatMap((each) => statement.all(each, row, build, ...more))
        .sort(([a], [b]) => number(b) - number(a))
        .map(([id]) => number(id))
    const same = new Set([content, ...made.flatMap(([id = 0, first]) => (first === 1 ? [id] : []))])
    const all = new Set([content, ...made.map(([id = 0]) => id)])
    const alike = named === 1 ? actions(same, ofLabel, label, builds) : []
    return alike.length > 0 ? alike : actions(all, ofAny, builds)
  }

  return (row, limit) => found(row, limit).slice(0, limit).flatMap(record)
}
