import type { DatabaseSync } from 'node:sqlite'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { ExplanationStore } from '../explain/store.ts'
import { number } from './cells.ts'

/** Of a build, with those of parts of it and against single builds; about a kilobyte each. */
const perBuildMax = 10
/** Longer ones are made anew each time. */
const textLengthMax = 8 * 1024 * 1024

/**
 * Explanations in the table of this name, which go with their builds. Its column `against` has whatever was asked
 * besides the build. All throw what SQLite throws.
 */
export function createStoredExplanations(database: DatabaseSync): ExplanationStore {
  const ofBuild = 'build = (SELECT id FROM builds WHERE name = ?) AND against = ? AND state = ?'
  const select = database.prepare(`SELECT length, data FROM explanations WHERE ${ofBuild}`)
  const find = database.prepare(`SELECT 1 FROM explanations WHERE ${ofBuild}`)
  const insert = database.prepare(
    `INSERT OR REPLACE INTO explanations (build, against, state, length, data)
      SELECT id, ?2, ?3, ?4, ?5 FROM builds WHERE name = ?1 RETURNING build`,
  )
  const shorten = database.prepare(
    `DELETE FROM explanations WHERE id IN
      (SELECT id FROM explanations WHERE build = ? ORDER BY against <> '', id DESC LIMIT -1 OFFSET ${perBuildMax})`,
  )
  return {
    get(build, against, state) {
      const row = select.get(build, against, state)
      const data = row?.['data']
      if (!(data instanceof Uint8Array)) return undefined
      return zstdDecompressSync(data, { maxOutputLength: number(row?.['length']) }).toString()
    },
    has: (build, against, state) => find.get(build, against, state) !== undefined,
    put(build, against, state, text) {
      const bytes = Buffer.from(text)
      if (bytes.length > textLengthMax) return
      const row = insert.get(build, against, state, bytes.length, zstdCompressSync(bytes))
      if (row) shorten.run(row['build'] ?? 0)
    },
  }
}
