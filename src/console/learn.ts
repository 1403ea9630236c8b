import type { DatabaseSync } from 'node:sqlite'
import type { Digest } from '../core/digest.ts'
import type { KeptBlobs } from './blobs.ts'

/** What an Action and its Command say. */
export interface Learned {
  /** Id in the table `contents`. */
  readonly content: number
  readonly action: Digest
  readonly command: Digest
  readonly inputRoot: Digest
  /** Paths relative to the input root, sorted. */
  readonly outputs: readonly string[]
}

/** A blob to keep. */
export interface Kept {
  readonly digest: Digest
  readonly bytes: Uint8Array
}

/** Stores what was read, in one transaction. @throws what SQLite throws */
export type Learn = (learned: readonly Learned[], kept: readonly Kept[], at: number) => void

export function createLearn(database: DatabaseSync, blobs: KeptBlobs): Learn {
  const content = database.prepare(
    `UPDATE contents SET command_hash = ?, command_size = ?, root_hash = ?, root_size = ?, first_output = ?
      WHERE id = ? AND hash = ?`,
  )
  const output = database.prepare('INSERT OR IGNORE INTO outputs (path, content) VALUES (?, ?)')

  return (learned, kept, at) => {
    database.exec('BEGIN IMMEDIATE')
    try {
      for (const { content: id, action, command, inputRoot, outputs } of learned) {
        const first = outputs[0] ?? ''
        const { hash, size } = command
        // It may have been pruned meanwhile.
        const { changes } = content.run(hash, size, inputRoot.hash, inputRoot.size, first, id, action.hash)
        if (Number(changes) > 0) for (const path of outputs) output.run(path, id)
      }
      for (const { digest, bytes } of kept) blobs.put(digest, bytes, at)
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      blobs.recount()
      throw error
    }
  }
}
