import { stat } from 'node:fs/promises'
import { Failure } from '../core/failure.ts'
import type { Log } from '../telemetry/log.ts'

/** A file whose content is read again when it changes. */
export interface Watched<T> {
  readonly value: T
  /**
   * Checks the file, and reads it if it has changed. If it cannot be read, the old content stays, and each check tries
   * again.
   * @returns true after a change
   */
  look(): Promise<boolean>
}

/**
 * @param read returns undefined when there is no file
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
  /** Stamp of the version that could not be read, so that it is reported once. */
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
        // Not earlier: a file that cannot be read now, for want of descriptors say, may revoke somebody's rights.
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
 * Checks the files, once for all callers that ask at the same time, and calls `changed` before a check that found a
 * change ends. A caller that asks during a check gets the next one, since the running one may have looked too early.
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

/** Identifies a version of a file: a replacement has another inode, even within one tick of the clock. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, mode } = await stat(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs} ${mode}`
  } catch {
    // Reading it will report what is wrong.
    return 'none'
  }
}
