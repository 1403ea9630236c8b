import { stat } from 'node:fs/promises'
import { Failure } from '../core/failure.ts'
import type { Log } from '../telemetry/log.ts'

/** A file whose content is read again when it changes. */
export interface Watched<T> {
  readonly value: T
  /**
   * Looks at it, and reads it where it has changed. What cannot be read leaves what was, and is tried at each look.
   * @returns true after a change
   */
  look(): Promise<boolean>
}

/**
 * @param read answers undefined when there is no file
 * @throws what `read` throws, and Failure 'not-found'
 */
export async function watched<T>(
  path: string,
  read: (path: string) => Promise<T | undefined>,
  log: Log,
): Promise<Watched<T>> {
  let stamp = await stampOf(path)
  const first = await read(path)
  if (first === undefined)
    throw new Failure('not-found', 'the configuration names a file that is not there', { where: path })
  let value = first
  /** Of what could not be read, so that it is said once. */
  let failed: string | undefined

  return {
    get value() {
      return value
    },
    async look() {
      const fresh = await stampOf(path)
      if (fresh === stamp) return false
      try {
        const next = await read(path)
        if (next === undefined) throw new Failure('not-found', 'the file is not there any more', { where: path })
        value = next
        // Not before: what cannot be read now, for want of descriptors say, may take somebody's rights away.
        stamp = fresh
        failed = undefined
        log.info('read again, since it has changed', { file: path })
        return true
      } catch (error) {
        if (failed !== fresh)
          log.error('a file of logins cannot be read: its previous content remains in force', { file: path, error })
        failed = fresh
        return false
      }
    },
  }
}

/**
 * Looks at the files, once for all who want that at the same time, and calls `changed` before a look that found a change ends. Whoever
 * asks while one is under way gets the next, since that one may have looked before what they wait for was written.
 */
export function sharedLook(files: readonly Watched<unknown>[], changed: () => void): () => Promise<void> {
  let under: Promise<void> | undefined
  let next: Promise<void> | undefined
  async function look(): Promise<void> {
    const changes = await Promise.all(files.map((file) => file.look()))
    if (changes.includes(true)) changed()
  }
  function begin(): Promise<void> {
    under = look().finally(() => {
      under = undefined
    })
    return under
  }
  function after(): Promise<void> {
    next = undefined
    return under ?? begin()
  }
  return () => {
    if (!under) return begin()
    next ??= under.then(after, after)
    return next
  }
}

/** Tells a file from what it was: a replaced one has another inode, even within one tick of its clock. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, mode } = await stat(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs} ${mode}`
  } catch {
    // Whoever reads it says what is wrong with it.
    return 'none'
  }
}
