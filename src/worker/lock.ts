import { join } from 'node:path'
import { Failure } from '../core/failure.ts'
import { takeKernelLock } from '../host/kernel-lock.ts'

/**
 * Takes a folder for this process alone.
 * @returns releases it
 * @throws Failure 'unavailable' while another process, or this one, has it
 */
export function lockFolder(directory: string): () => void {
  const next = ['Stop that process, or give this worker a folder of its own.']
  const release = locked(join(directory, 'in-use'))
  if (!release) throw new Failure('unavailable', 'another worker uses the folder', { where: directory, next })
  return release
}

function locked(file: string): (() => void) | undefined {
  try {
    return takeKernelLock(file)
  } catch (cause) {
    throw new Failure('unavailable', 'the folder of the worker cannot be locked', {
      where: file,
      next: ['Give the worker a folder that its user may write to, on a file system that supports locks.'],
      cause,
    })
  }
}
