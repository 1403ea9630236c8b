import type { DatabaseSync } from 'node:sqlite'
import type { EarlierAction } from '../core/build-history.ts'
import { number } from './cells.ts'
import { earlierAction, earlierColumns, prepareArrays, type Values } from './rows.ts'

/** Looks up as many of some actions, given by row, as one turn of the event loop allows, and at least one. */
export type ReadComparable = (rows: readonly number[], build?: string) => Looked

export interface Looked {
  /** Comparison candidates by row; rows without any are left out. */
  readonly found: ReadonlyMap<number, readonly EarlierAction[]>
  /** Rows to ask for again, in another turn. */
  readonly left: readonly number[]
}

/** How many of the different actions that made an output are considered, the newest first. */
export const contentsMax = 200
/** Contents to be considered for an action that makes nothing: its own. */
const withoutOutputs = 1
/** Contents considered in one turn, for all its rows together: as many as 16 rows have at most. */
const contentsPerTurnMax = 16 * (contentsMax + 1)

/** With the same label, or any; in all builds, or in one only. */
interface Kind {
  readonly labelled: boolean
  readonly only: boolean
}

/** The last action with this content; `a` is the action being compared. */
function latest(content: string, { labelled, only }: Kind): string {
  return `SELECT t.id FROM actions t WHERE t.content = ${content} AND +t.id < a.id AND t.build <> a.build
    ${labelled ? 'AND +t.label = a.label' : ''} ${only ? 'AND t.build = ?2' : ''} ORDER BY t.build DESC LIMIT 1`
}

/**
 * Ten thousand misses in a build are ten thousand questions. One statement answers many of them, in a tenth of the time
 * that a statement for each step of each would take. The cost of an action depends on how many others have made its
 * output, so these are counted first.
 */
export function createReadComparable(database: DatabaseSync): ReadComparable {
  const buildId = database.prepare('SELECT id FROM builds WHERE name = ?')
  const asked = 'json_each(?1) j CROSS JOIN actions a ON a.id = j.value CROSS JOIN contents c ON c.id = a.content'
  // What has not been read cannot be compared; without outputs, an action can be compared with itself alone.
  const sizes = prepareArrays(
    database,
    `SELECT a.id, l.target <> '' AND l.mnemonic <> '',
        (SELECT count(*) FROM (SELECT 1 FROM outputs w WHERE w.path = c.first_output LIMIT ${contentsMax}))
      FROM ${asked} CROSS JOIN labels l ON l.id = a.label WHERE c.first_output IS NOT NULL ORDER BY j.key`,
  )
  const ofSame = (kind: Kind) => prepareArrays(database, `SELECT a.id, (${latest('a.content', kind)}) FROM ${asked}`)
  // For each content with the same output, the last build; of these, the one that began last counts.
  const ofOthers = (kind: Kind) =>
    prepareArrays(
      database,
      `SELECT a.id, t.id, t.build, t.content = a.content FROM ${asked}
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
  const records = prepareArrays(
    database,
    `SELECT ${earlierColumns} FROM json_each(?) j CROSS JOIN actions a ON a.id = j.value
      CROSS JOIN contents c ON c.id = a.content CROSS JOIN builds b ON b.id = a.build`,
  )

  /** Those that this turn takes. */
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

  /** Ids of the candidates for each row. */
  function idsOf(asked: readonly Asked[], build: string | undefined): Map<number, readonly number[]> {
    const only = build === undefined ? [] : [number(buildId.get(build)?.['id'])]
    const { labelled, any } = build === undefined ? inAll : inOne
    const ids = new Map<number, readonly number[]>()
    function look({ same, others }: typeof any, among: readonly Asked[]): void {
      const open = among.filter(({ row }) => !ids.has(row))
      // The other statement looks at all contents that made the output if these are few, its own among them.
      const apart = open.filter(({ contents }) => contents > contentsMax || contents === withoutOutputs)
      if (apart.length > 0)
        for (const [row, id] of same.all(rowsOf(apart), ...only)) if (id !== null) ids.set(number(row), [number(id)])
      const rest = apart.length > 0 ? open.filter(({ row }) => !ids.has(row)) : open
      if (rest.length > 0)
        for (const [row, each] of ofLatestBuild(others.all(rowsOf(rest), ...only))) ids.set(row, each)
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
        .map(earlierAction)
        .map((each) => [each.row, each]),
    )
    const found = new Map<number, readonly EarlierAction[]>()
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
  /** Its own content, and others that made the same output. */
  readonly contents: number
}

function rowsOf(asked: readonly Asked[]): string {
  return JSON.stringify(asked.map(({ row }) => row))
}

/**
 * The latest with the same content or, if there is none, all of the latest build.
 * @param answers a row, a candidate, the candidate's build, and whether it has the row's content
 */
function ofLatestBuild(answers: readonly Values[]): ReadonlyMap<number, readonly number[]> {
  const latest = new Map<number, { readonly build: number; readonly ids: number[] }>()
  for (const [of, id, within, isSame] of answers) {
    // A candidate with the same content counts as one of a later build than any.
    const [row, build] = [number(of), isSame === 1 ? Number.POSITIVE_INFINITY : number(within)]
    const known = latest.get(row)
    if (known?.build === build) known.ids.push(number(id))
    else if (!known || build > known.build) latest.set(row, { build, ids: [number(id)] })
  }
  return new Map([...latest].map(([row, { ids }]) => [row, ids]))
}
