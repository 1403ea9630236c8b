import { DatabaseSync } from 'node:sqlite'

/** SQLITE_BUSY: another connection holds the lock. */
const busy = 5

/**
 * Takes a lock that the kernel drops when its process ends, however it ends: neither a number that another process has
 * now, nor one of another container, nor a file that is left behind can hold it for ever. Node has no call for file locks,
 * but its SQLite takes one; the database stays empty and is never written.
 *
 * It is the lock for folders that one machine's servers keep for as long as they run. Where a folder may be shared
 * between machines, whose file systems may know no locks (a network home, a folder of images), files are locks:
 * process-lock.ts, whose holder tells of itself, and image/media/file-lock.ts, whose holder need not be of this machine.
 * @param file is made when it is not there; nobody else may open it in this process, since closing it drops the lock
 * @returns gives it back; undefined while another has it, or this process already
 * @throws the error of SQLite for what is not a lock and cannot be one
 */
export function takeKernelLock(file: string): (() => void) | undefined {
  const database = new DatabaseSync(file)
  try {
    database.exec('BEGIN EXCLUSIVE')
    return () => database.close()
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === busy) return undefined
    throw error
  }
}
