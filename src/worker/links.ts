import { linkSync, lstatSync, unlinkSync } from 'node:fs'
import { errnoOf } from '../core/failure.ts'
import type { Content } from './content.ts'
import type { Entry } from './content-index.ts'
import { InputsChanged } from './copies.ts'
import { isUntouched, resealed } from './sealed.ts'

/** A cached file that an action shares, and its path. */
export interface Linked {
  readonly entry: Entry
  readonly path: string
}

/**
 * Gives actions hard links to cached files instead of copies, if that is configured, since an action can write to what
 * it shares. So a file is checked before it is linked, and one that was modified is not given to anybody any more: it
 * leaves the cache, and its successor is copied.
 */
export interface Links {
  /**
   * Makes a link; false where the file has to be copied instead.
   * @throws InputsChanged when the file has been modified
   */
  link(entry: Entry, path: string): boolean
  /**
   * Checks an action's links when it has ended.
   * @returns true when one was modified, by anybody, so that it is unknown what the action has read
   */
  judge(linked: readonly Linked[]): boolean
  /** Removes an action's links, and records that the change was ours. */
  unlink(linked: readonly Linked[]): void
}

const touchedMax = 10_000

/** @param content the cache whose files are linked */
export function createLinks(content: Content): Links {
  const touched = new Set<string>()
  const giveUp = (entry: Entry) => {
    content.remove(entry)
    touched.add(entry.key)
    const [oldest] = touched
    if (oldest !== undefined && touched.size > touchedMax) touched.delete(oldest)
  }
  return {
    link(entry, path) {
      if (touched.has(entry.key)) return false
      if (!isWhole(entry)) {
        giveUp(entry)
        throw new InputsChanged(entry)
      }
      try {
        linkSync(entry.path, path)
      } catch (error) {
        // Another device, a file system without links, or too many links to this file.
        if (!['EXDEV', 'EMLINK', 'EPERM', 'ENOTSUP'].includes(errnoOf(error) ?? '')) throw error
        return false
      }
      reseal(entry)
      return true
    },
    judge(linked) {
      const spoilt = linked.filter(({ entry }) => !isWhole(entry))
      for (const { entry } of spoilt) giveUp(entry)
      return spoilt.length > 0
    },
    unlink(linked) {
      for (const { entry, path } of linked) {
        // There must be no await between this check, after which a change would go unnoticed, and the new seal.
        const whole = isWhole(entry)
        const stats = lstatSync(path, { throwIfNoEntry: false })
        if (stats?.ino !== entry.seal?.inode) continue
        unlinkSync(path)
        if (whole) reseal(entry)
      }
    },
  }
}

function isWhole({ seal, gone, path, digest, executable }: Entry): boolean {
  return !gone && seal !== undefined && isUntouched(path, digest.size, executable, seal)
}

/** Linking and unlinking change the change time. */
function reseal(entry: Entry): void {
  if (entry.seal) entry.seal = resealed(entry.path, entry.digest.size, entry.executable, entry.seal)
}
