import { DatabaseSync } from 'node:sqlite'
import { Failure } from '../../core/failure.ts'

/** SQLITE_BUSY: another connection holds the lock. */
const busy = 5

/**
 * Takes the lock of a store's folder; the answer gives it back. Node has no call for file
 * locks, but its SQLite takes one that the kernel drops when the process ends, however it
 * ends: neither a stale pid nor a dead container's can hold a folder for ever. The database
 * stays empty and is never written.
 * @throws Failure 'unavailable' while another process, or this one, has the store open
 */
export function takeLock(file: string, folder: string): () => void {
  const database = new DatabaseSync(file)
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === busy)
      throw new Failure('unavailable', 'another process has the store open', {
        where: folder,
        next: ['Stop that process, or give this one a folder of its own.'],
      })
    throw new Failure('internal', 'locking the store', { where: file, cause: error })
  }
  return () => database.close()
}
