import { mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, Failure, messageOf } from '../core/failure.ts'

/** The folder for the actions' folders, new and empty. */
export interface WorkFolder {
  readonly path: string
  /** Folders of earlier workers, moved out of the way: whatever can be removed of them should be. */
  readonly former: readonly string[]
  /** Where folders are moved to be removed; not created yet, and treated like a former one at the next start. */
  readonly outgoing: string
}

/** If a folder cannot even be moved, another name is used, up to this many. */
const namesMax = 16
const formerMax = 10_000
const formerName = /^left-\d+$/

/**
 * Makes the folder for the actions' folders. What a dead worker left is moved aside rather than removed, so that it
 * neither delays a start nor makes it fail: files of root, which a container or sudo made, immutable ones, mounts.
 * @param directory the worker's own folder
 * @throws Failure 'precondition' when no folder can be made there
 */
export function makeWorkFolder(directory: string): WorkFolder {
  const former = readdirSync(directory).filter((name) => formerName.test(name))
  let problem: unknown
  for (let at = 1; at <= namesMax; at += 1) {
    const path = join(directory, at === 1 ? 'work' : `work-${at}`)
    try {
      const moved = makeEmpty(path, directory, former)
      const names = moved ? [...former, moved] : former
      return { path, former: names.map((name) => join(directory, name)), outgoing: join(directory, freeName(names)) }
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
      problem ??= error
    }
  }
  throw new Failure('precondition', `the folder for actions cannot be made: ${messageOf(problem)}`, {
    where: directory,
    next: ['Give the worker a folder that its user may write to, or free up space on its disk.'],
    cause: problem,
  })
}

/** @returns the new name of what was there, if there was anything */
function makeEmpty(path: string, directory: string, former: readonly string[]): string | undefined {
  let moved: string | undefined
  if (!removeEmptyFolder(path)) {
    moved = freeName(former)
    renameSync(path, join(directory, moved))
  }
  mkdirSync(path, { mode: 0o700 })
  return moved
}

/** @returns true when nothing is there, now or to begin with */
export function removeEmptyFolder(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT') return true
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') return false
    throw error
  }
}

function freeName(former: readonly string[]): string {
  const taken = new Set(former)
  for (let at = 1; at <= formerMax; at += 1) if (!taken.has(`left-${at}`)) return `left-${at}`
  throw new Failure('precondition', `earlier workers have left more than ${formerMax} folders`)
}
