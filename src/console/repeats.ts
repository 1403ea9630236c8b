import type { DatabaseSync } from 'node:sqlite'
import { wireDifferentAction } from '../client/different-action.ts'
import type { DifferentAction } from '../core/output-difference.ts'
import { consoleApi } from '../wire/proto.ts'

/** What actions made differently when they were run twice, build by build. */
export interface KeptRepeats {
  /** @param build its number; one that has been forgotten meanwhile is passed over */
  add(build: number, action: DifferentAction): void
  /** Those of a build, by its whole id, the latest first. */
  list(build: string, limit: number): consoleApi.DifferentAction[]
}

/** Of one build, at some kilobytes each. */
const perBuildMax = 1_000

export function createKeptRepeats(database: DatabaseSync): KeptRepeats {
  const insert = database.prepare(
    `INSERT INTO repeats (build, report) SELECT id, ?2 FROM builds
      WHERE id = ?1 AND (SELECT count(*) FROM repeats WHERE build = ?1) < ${perBuildMax}`,
  )
  const select = database.prepare(
    'SELECT report FROM repeats WHERE build = (SELECT id FROM builds WHERE name = ?) ORDER BY id DESC LIMIT ?',
  )
  return {
    add(build, action) {
      insert.run(build, consoleApi.DifferentAction.encode(wireDifferentAction(action)).finish())
    },
    list: (build, limit) =>
      select
        .all(build, limit)
        .flatMap(({ report }) => (report instanceof Uint8Array ? [consoleApi.DifferentAction.decode(report)] : [])),
  }
}
