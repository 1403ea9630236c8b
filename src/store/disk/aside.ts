import fs from 'node:fs'
import { basename, join } from 'node:path'
import { errnoOf, messageOf } from '../../core/failure.ts'
import type { Log } from '../../telemetry/log.ts'

/** Where files go that have a name of the store's own but are something else, or cannot be read. */
export interface Aside {
  /** Moves it out of the way, with a warning; nothing is deleted. False when that cannot be done: it stays where it lies. */
  move(path: string, why: string): boolean
}

/** The folder in the store's own. Nobody but its owner empties it. */
export const asideName = 'set-aside'
/** Things moved at one start; more than these stay where they lie. */
const movesMax = 1000
const nameLengthMax = 128

export function createAside(root: string, log: Log): Aside {
  const folder = join(root, asideName)
  let moves = 0
  return {
    move(path, why) {
      moves += 1
      if (moves > movesMax) return false
      const target = join(folder, `${Date.now()}-${moves}-${basename(path).slice(0, nameLengthMax)}`)
      try {
        fs.mkdirSync(folder, { recursive: true })
        fs.renameSync(path, target)
        log.warn(`${why}; it is moved aside`, { from: path, to: target })
        return true
      } catch (error) {
        log.warn(`${why}; it cannot be moved aside and stays where it is`, { path, reason: messageOf(error) })
        return false
      }
    },
  }
}

const unreadable: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'ELOOP', 'EIO', 'ESTALE'])

/** Can a thing not be read, for a reason that lies with this one thing? */
export function isUnreadable(error: unknown): boolean {
  return unreadable.has(errnoOf(error) ?? '')
}

/** What lies in a folder; nothing, with a warning, where it cannot be looked into. */
export function entriesOf(folder: string, log: Log): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if (!isUnreadable(error)) throw error
    log.warn('a folder of the store cannot be read; its contents are not used', {
      folder,
      reason: messageOf(error),
    })
    return []
  }
}
