import fs from 'node:fs'
import { Failure } from '../../core/failure.ts'
import { takeKernelLock } from '../../host/kernel-lock.ts'
import type { Aside } from './aside.ts'

/**
 * Takes the lock of a store's folder; the answer gives it back.
 * @throws Failure 'unavailable' while another process, or this one, has the store open
 */
export function lockStore(file: string, folder: string, aside: Aside): () => void {
  try {
    return locked(file, folder)
  } catch (error) {
    if (error instanceof Failure || !fs.lstatSync(file, { throwIfNoEntry: false })) throw notLocked(error, file)
    // It is not a database. That nobody holds it was found out first: a holder would have made it busy.
    if (!aside.move(file, 'the lock is none')) throw notLocked(error, file)
  }
  try {
    return locked(file, folder)
  } catch (error) {
    throw notLocked(error, file)
  }
}

function locked(file: string, folder: string): () => void {
  const release = takeKernelLock(file)
  if (release) return release
  throw new Failure('unavailable', 'another process has the store open', {
    where: folder,
    next: ['Stop that process, or give this one a folder of its own.'],
  })
}

function notLocked(error: unknown, file: string): Failure {
  if (error instanceof Failure) return error
  return new Failure('unavailable', 'the store cannot be locked', {
    where: file,
    next: ['Give the store a folder that its user may write to, on a file system that supports locks.'],
    cause: error,
  })
}
