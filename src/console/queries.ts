import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import {
  type ActionMark,
  type ActionRecord,
  type ActionsQuery,
  actionOutcomes,
  type BuildRecord,
  type LookupAnswer,
  lookupAnswers,
  type ProducersQuery,
} from '../core/build-history.ts'
import { number, text } from './cells.ts'
import { createReadComparable, type ReadComparable } from './comparable.ts'
import { summaryColumns } from './invocations.ts'
import { outcomeNumber } from './outcomes.ts'
import { createReadPredecessors } from './predecessors.ts'
import { actionRecord, buildRecord, prepareActions, prepareArrays, type Values } from './rows.ts'

/** The read side of the tables; core/build-history.ts says what each of these returns. */
export interface Queries {
  builds(query: { readonly limit: number; readonly idPrefix?: string }): BuildRecord[]
  actions(query: ActionsQuery): ActionRecord[]
  marks(query: ActionsQuery): ActionMark[]
  records(rows: readonly number[]): ActionRecord[]
  earlier(row: number, limit: number): ActionRecord[]
  readonly comparable: ReadComparable
  producers(query: ProducersQuery): ActionRecord[]
  outputs(rows: readonly number[]): (readonly [row: number, path: string])[]
  answers(builds: number): ReadonlyMap<LookupAnswer, number>
  revision(): number
}

/** The greatest code point, which no name contains: the upper end of a range of prefixes. */
const lastCharacter = '\u{10ffff}'

/** Paths in one response. */
const outputsMax = 100_000

export function createQueries(database: DatabaseSync): Queries {
  const selectBuilds = `SELECT b.*, i.build AS told, ${summaryColumns} FROM builds b LEFT JOIN invocations i ON i.build = b.id`
  const builds = database.prepare(
    // By name: in order of time, it would scan all builds.
    `${selectBuilds} WHERE name >= ? AND name < ? AND substr(name, 1, length(?)) = ? AND name <> ?
      ORDER BY +last_seen DESC, id DESC LIMIT ?`,
  )
  const named = database.prepare(`${selectBuilds} WHERE name = ?`)
  const newest = database.prepare(`${selectBuilds} ORDER BY last_seen DESC, id DESC LIMIT ?`)
  const made = prepareArrays(
    database,
    `SELECT a.id, o.path FROM json_each(?) j CROSS JOIN actions a ON a.id = j.value
      CROSS JOIN outputs o ON o.content = a.content LIMIT ${outputsMax}`,
  )
  const answers = prepareArrays(
    database,
    `SELECT answer, count(*) FROM actions WHERE build IN (SELECT id FROM builds ORDER BY last_seen DESC, id DESC LIMIT ?)
      AND answer IS NOT NULL GROUP BY answer`,
  )
  const records = prepareActions(database, 'WHERE a.id IN (SELECT value FROM json_each(?)) ORDER BY a.id')
  const changes = prepareArrays(database, 'SELECT total_changes()')

  return {
    answers: (builds) =>
      new Map(answers.all(builds).map(([answer, count]) => [lookupAnswers[number(answer)] ?? 'absent', number(count)])),
    outputs: (rows) => made.all(JSON.stringify(rows)).map(([row, path]) => [number(row), text(path)]),
    revision: () => number(changes.get()?.[0]),
    builds({ limit, idPrefix = '' }) {
      if (idPrefix === '') return newest.all(limit).map(buildRecord)
      const exact = named.all(idPrefix)
      const bounds = [idPrefix, `${idPrefix}${lastCharacter}`]
      const longer = builds.all(...bounds, idPrefix, idPrefix, idPrefix, limit - exact.length)
      return [...exact, ...longer].map(buildRecord)
    },
    actions(query) {
      const { where, values } = chosen(query)
      return prepareActions(database, where)
        .all(...values)
        .map(actionRecord)
    },
    marks(query) {
      const { where, values } = chosen(query)
      // A LEFT JOIN that nothing is read from is left out by SQLite.
      const statement = prepareArrays(
        database,
        `SELECT a.id, a.outcome, a.last_seen, a.answer, a.flags, a.worker_start, a.worker_end, a.run_end,
            c.command_hash IS NULL, c.command_hash IS NULL AND EXISTS (SELECT 1 FROM unread WHERE content = c.id)
          FROM actions a JOIN contents c ON c.id = a.content LEFT JOIN labels l ON l.id = a.label ${where}`,
      )
      return statement.all(...values).map(markOf)
    },
    records: (rows) => records.all(JSON.stringify(rows)).map(actionRecord),
    earlier: createReadPredecessors(database),
    comparable: createReadComparable(database),
    producers({ path, build, before, limit }) {
      const paths = withFoldersAbove(path)
      const conditions = [`o.path IN (${paths.map(() => '?').join(', ')})`]
      const values: SQLInputValue[] = [...paths]
      if (build !== undefined) {
        conditions.push('s.build = (SELECT id FROM builds WHERE name = ?)')
        values.push(build)
      }
      if (before !== undefined) {
        conditions.push('s.first_seen < ?')
        values.push(before)
      }
      const statement = prepareActions(
        database,
        // CROSS: from the path to its makers, and not through all actions of a build.
        `WHERE a.id IN (SELECT s.id FROM outputs o CROSS JOIN actions s ON s.content = o.content
          WHERE ${conditions.join(' AND ')} ORDER BY s.id DESC LIMIT ?) ORDER BY a.id DESC`,
      )
      return statement.all(...values, limit).map(actionRecord)
    },
  }
}

/** What follows FROM to have a page of a build's actions, in the aliases of rows.ts. */
function chosen(query: ActionsQuery): { readonly where: string; readonly values: readonly SQLInputValue[] } {
  const { build, outcomes = actionOutcomes, target, mnemonic, hashPrefix, limit, after = 0 } = query
  const conditions = ['a.build = (SELECT id FROM builds WHERE name = ?)', 'a.id > ?']
  const values: SQLInputValue[] = [build, after]
  function where(condition: string, ...more: SQLInputValue[]): void {
    conditions.push(condition)
    values.push(...more)
  }
  if (outcomes.length < actionOutcomes.length) {
    const numbers = outcomes.map(outcomeNumber)
    where(`a.outcome IN (${numbers.map(() => '?').join(', ')})`, ...numbers)
  }
  if (target !== undefined) where('l.target = ?', target)
  if (mnemonic !== undefined) where('l.mnemonic = ?', mnemonic)
  if (hashPrefix !== undefined) where('substr(c.hash, 1, length(?)) = ?', hashPrefix, hashPrefix)
  return { where: `WHERE ${conditions.join(' AND ')} ORDER BY a.id LIMIT ?`, values: [...values, limit] }
}

/** @param row its id, its outcome, when it was last seen, whatever else of it changes, and whether it is unread */
function markOf(row: Values): ActionMark {
  const [id, outcome, lastSeen] = row
  return {
    row: number(id),
    outcome: actionOutcomes[number(outcome)] ?? 'missed',
    lastSeen: number(lastSeen),
    isUnread: row.at(-1) === 1,
    state: row.slice(0, -1).join(' '),
  }
}

const foldersMax = 200

/** A path may lie in an output directory: `a/b/c`, `a/b`, `a`. */
function withFoldersAbove(path: string): string[] {
  const paths = [path]
  for (let at = path.lastIndexOf('/'); at > 0 && paths.length < foldersMax; at = path.lastIndexOf('/', at - 1))
    paths.push(path.slice(0, at))
  return paths
}
