import type { DatabaseSync } from 'node:sqlite'
import { number } from '../cells.ts'

/** How much is kept of the end of a tool's output in one build. */
export const outputBytesMax = 1024 * 1024

/** How much is dropped at once when there is too much. */
const pieceCharactersMax = 64 * 1024

/** Adds a piece of a tool's output; if there is too much, the beginning is dropped. @throws what SQLite throws */
export type OutputWriter = (build: number, text: string) => void

export function createOutputWriter(database: DatabaseSync): OutputWriter {
  const insert = database.prepare('INSERT INTO invocation_output (build, data) VALUES (?, ?)')
  const count = database.prepare(
    `UPDATE invocations SET output_bytes = output_bytes + ?, output_cut = output_cut + ? WHERE build = ?
      RETURNING output_bytes`,
  )
  const removeFirst = database.prepare(
    `DELETE FROM invocation_output WHERE id = (SELECT id FROM invocation_output WHERE build = ? ORDER BY id LIMIT 1)
      RETURNING octet_length(data) AS bytes`,
  )

  return (build, text) => {
    if (text === '') return
    const whole = Buffer.from(text)
    const data = whole.length > outputBytesMax ? whole.subarray(-outputBytesMax).toString() : text
    const bytes = Buffer.byteLength(data)
    for (let at = 0; at < data.length; at += pieceCharactersMax)
      insert.run(build, data.slice(at, at + pieceCharactersMax))
    let kept = number(count.get(bytes, Math.max(0, whole.length - bytes), build)?.['output_bytes'])
    while (kept > outputBytesMax) {
      const cut = number(removeFirst.get(build)?.['bytes'])
      if (cut === 0) return
      kept = number(count.get(-cut, cut, build)?.['output_bytes'])
    }
  }
}
