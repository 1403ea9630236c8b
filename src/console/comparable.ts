import type { DatabaseSync } from 'node:sqlite'
import type { ActionRecord } from '../core/build-history.ts'
import { number } from './cells.ts'
import { actionRecord, prepareActions, prepareArrays, type Values } from './rows.ts'

/** Looks up the first of some actions, by their rows: as many as one turn of the event loop may take, and at least one. */
export type ReadComparable = (rows: readonly number[], build?: string) => Looked

export interface Looked {
  /** What each may be compared with, by its row; those without anything are left out. */
  readonly found: ReadonlyMap<number, readonly ActionRecord[]>
  /** Rows that are to be asked for again, in another turn. */
  readonly left: readonly number[]
}

/** Different actions that made one output, the newest, which are looked at. */
export const contentsMax = 200
/** Contents that one turn looks at, for all its rows together: those of 16 rows that have the most. */
const contentsPerTurnMax = 16 * (contentsMax + 1)

/** Of the same label, or of any; in all builds, or in one alone. */
interface Kind {
  readonly labelled: boolean
  readonly only: boolean
}

/** The last one with some content; `a` is the action that is compared. */
function latest(content: string, { labelled, only }: Kind): string {
  return `SELECT t.id FROM actions t WHERE t.content = ${content} AND +t.id < a.id AND t.build <> a.build
    ${labelled ? 'AND +t.label = a.label' : ''} ${only ? 'AND t.build = ?2' : ''} ORDER BY t.build DESC LIMIT 1`
}

/**
 * Ten thousand actions of a build that missed are ten thousand questions. A statement answers those of many at once, which takes a
 * tenth of the time of a statement for each step of each of them. What an action costs depends on how many others have made its
 * output, so these are counted first.
 */
export function createReadComparable(database: DatabaseSync): ReadComparable {
  const buildId = database.prepare('SELECT id FROM builds WHERE name = ?')
  const asked = 'json_each(?1) j CROSS JOIN actions a ON a.id = j.value CROSS JOIN contents c ON c.id = a.content'
  // An action without a known output has nothing to be compared with.
  const sizes = prepareArrays(
    database,
    `SELECT a.id, l.target <> '' AND l.mnemonic <> '',
        (SELECT count(*) FROM (SELECT 1 FROM outputs w WHERE w.path = c.first_output LIMIT ${contentsMax}))
      FROM ${asked} CROSS JOIN labels l ON l.id = a.label WHERE c.first_output <> '' ORDER BY j.key`,
  )
  const ofSame = (kind: Kind) => prepareArrays(database, `SELECT a.id, (${latest('a.content', kind)}) FROM ${asked}`)
  // Of each content that has the same output, the last build; of these, the one that began last counts.
  const ofOthers = (kind: Kind) =>
    prepareArrays(
      database,
      `SELECT a.id, t.id, t.build FROM ${asked}
        CROSS JOIN outputs o ON o.path = c.first_output AND o.content >= coalesce((SELECT w.content FROM outputs w
          WHERE w.path = c.first_output ORDER BY w.content DESC LIMIT 1 OFFSET ${contentsMax - 1}), 0)
        ${kind.labelled ? 'CROSS JOIN contents d ON d.id = o.content AND d.first_output = o.path' : ''}
        CROSS JOIN actions t ON t.id = (${latest('o.content', kind)})`,
    )
  const statements = (kind: Kind) => ({ same: ofSame(kind), others: ofOthers(kind) })
  const inAll = {
    labelled: statements({ labelled: true, only: false }),
    any: statements({ labelled: false, only: false }),
  }
  const inOne = {
    labelled: statements({ labelled: true, only: true }),
    any: statements({ labelled: false, only: true }),
  }
  const records = prepareActions(database, 'WHERE a.id IN (SELECT value FROM json_each(?))')

  /** Those whose turn it is. */
  function begun(rows: readonly number[]): { asked: Asked[]; left: readonly number[] } {
    const all = sizes
      .all(JSON.stringify(rows))
      .map(([row, named, contents]) => ({ row: number(row), named: named === 1, contents: number(contents) + 1 }))
    let contents = 0
    let end = 0
    for (; end < all.length; end += 1) {
      contents += all[end]?.contents ?? 0
      if (contents > contentsPerTurnMax) break
    }
    return { asked: all.slice(0, end), left: all.slice(end).map(({ row }) => row) }
  }

  /** Ids of what each row may be compared with. */
  function idsOf(asked: readonly Asked[], build: string | undefined): Map<number, readonly number[]> {
    const only = build === undefined ? [] : [number(buildId.get(build)?.['id'])]
    const { labelled, any } = build === undefined ? inAll : inOne
    const ids = new Map<number, readonly number[]>()
    function look({ same, others }: typeof any, among: readonly Asked[]): void {
      const open = () => JSON.stringify(among.flatMap(({ row }) => (ids.has(row) ? [] : [row])))
      for (const [row, id] of same.all(open(), ...only)) if (id !== null) ids.set(number(row), [number(id)])
      for (const [row, each] of ofLatestBuild(others.all(open(), ...only))) ids.set(row, each)
    }
    look(
      labelled,
      asked.filter(({ named }) => named),
    )
    look(any, asked)
    return ids
  }

  return (rows, build) => {
    const { asked, left } = begun(rows)
    const ids = idsOf(asked, build)
    const wanted = [...new Set([...ids.values()].flat())]
    const known = new Map(
      records
        .all(JSON.stringify(wanted))
        .map(actionRecord)
        .map((each) => [each.row, each]),
    )
    const found = new Map<number, readonly ActionRecord[]>()
    for (const [row, of] of ids) {
      const among = of.flatMap((id) => known.get(id) ?? [])
      if (among.length > 0) found.set(row, among)
    }
    return { found, left }
  }
}

interface Asked {
  readonly row: number
  /** Does its client name target and mnemonic? */
  readonly named: boolean
  /** Its own, and those that made the same output. */
  readonly contents: number
}

/** @param answers a row, what it may be compared with, and the build of that */
function ofLatestBuild(answers: readonly Values[]): ReadonlyMap<number, readonly number[]> {
  const latest = new Map<number, { readonly build: number; readonly ids: number[] }>()
  for (const [of, id, within] of answers) {
    const [row, build] = [number(of), number(within)]
    const known = latest.get(row)
    if (known?.build === build) known.ids.push(number(id))
    else if (!known || build > known.build) latest.set(row, { build, ids: [number(id)] })
  }
  return new Map([...latest].map(([row, { ids }]) => [row, ids]))
}
