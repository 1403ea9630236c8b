import type { DatabaseSync } from 'node:sqlite'
import { wireDifferentAction } from '../client/different-action.ts'
import type { DifferentAction } from '../core/output-difference.ts'
import { consoleApi } from '../wire/proto.ts'

/** Differences between two runs of an action, by build. */
export interface KeptRepeats {
  /** @param build its number; ignored if it has been pruned meanwhile */
  add(build: number, action: DifferentAction): void
  /** Those of a build, by its full id, latest first; read lazily. @param range `limit` includes the skipped ones */
  list(build: string, range: { readonly limit: number; readonly skip: number }): Iterable<consoleApi.DifferentAction>
}

/** Per build, at a few kilobytes each. */
const perBuildMax = 1_000
/**
 * Per action, in bytes; for a larger one (with paths of a hundred thousand characters), the outputs are only counted.
 */
const reportBytesMax = 1024 * 1024

export function createKeptRepeats(database: DatabaseSync): KeptRepeats {
  const insert = database.prepare(
    `INSERT INTO repeats (build, report) SELECT id, ?2 FROM builds
      WHERE id = ?1 AND (SELECT count(*) FROM repeats WHERE build = ?1) < ${perBuildMax}`,
  )
  const select = database.prepare(
    'SELECT report FROM repeats WHERE build = (SELECT id FROM builds WHERE name = ?) ORDER BY id DESC LIMIT ? OFFSET ?',
  )
  return {
    add(build, action) {
      const report = reportOf(action)
      const { outputs, moreOutputs } = action
      const isLong = report.length > reportBytesMax
      insert.run(
        build,
        isLong ? reportOf({ ...action, outputs: [], moreOutputs: moreOutputs + outputs.length }) : report,
      )
    },
    *list(build, { limit, skip }) {
      for (const { report } of select.iterate(build, Math.max(0, limit - skip), skip))
        if (report instanceof Uint8Array) yield consoleApi.DifferentAction.decode(report)
    },
  }
}

function reportOf(action: DifferentAction): Uint8Array {
  return consoleApi.DifferentAction.encode(wireDifferentAction(action)).finish()
}
