import { DatabaseSync } from 'node:sqlite'

/** SQLITE_BUSY: another connection holds the lock. */
const busy = 5

/**
 * Takes a lock that the kernel drops when its process ends, however it ends: neither a reused process id, nor one from
 * another container, nor a file left behind can hold it for ever. Node has no call for file locks, but its SQLite takes
 * one; the database stays empty and is never written.
 *
 * Use it for folders that one machine's servers keep for as long as they run. If machines may share a folder, on a file
 * system that may not support locks (a network home, a folder of images), lock files are used: process-lock.ts, whose
 * holder identifies itself, and image/media/file-lock.ts, whose holder may be on another machine.
 * @param file created if missing; nothing else in this process may open it, since closing it drops the lock
 * @returns a function that releases it; undefined while another process, or this one, already holds it
 * @throws SQLite's error for a file that is not a lock and cannot become one
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
