import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf, Failure } from '../core/failure.ts'
import { systemFailure } from './system-errors.ts'

/**
 * Makes a folder and its parents, like mkdir -p. Node's own recursive mkdir never returns if the system refuses the
 * folder although its parent exists, as below /proc.
 * @param doing for errors, as in "cannot make the folder of the store"
 * @param mode of each folder that is made
 * @throws Failure 'exists' if a file is in the way, 'invalid' if no folder can be there, 'denied', 'exhausted'
 */
export function makeFolder(path: string, doing = 'cannot make the folder', mode = 0o777): void {
  try {
    if (isMadeWithParents(path, mode)) return
  } catch (error) {
    throw systemFailure(error, { doing, where: path })
  }
  const next = ['Choose a place on a disk.']
  throw new Failure('invalid', `${doing}: nobody can create one there`, { where: path, next })
}

function isMadeWithParents(path: string, mode: number): boolean {
  if (isMade(path, mode)) return true
  const above = dirname(path)
  // One retry only: a second "not there" means something else.
  return above !== path && isMadeWithParents(above, mode) && isMade(path, mode)
}

/** False if the parent does not exist. */
function isMade(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode })
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    if (errnoOf(error) === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return true
    throw error
  }
}

/**
 * Makes a folder for this user alone, and its parents.
 * @throws Failure 'denied' if it may not be made, or belongs to another user (a shared /tmp)
 */
export function makePrivateFolder(path: string, uid: number): void {
  makeFolder(path, undefined, 0o700)
  try {
    const facts = lstatSync(path)
    if (!facts.isDirectory() || (uid >= 0 && facts.uid !== uid))
      throw new Failure('denied', 'the folder belongs to another user', {
        where: path,
        next: ['Remove it, or ask its owner to.'],
      })
    if ((facts.mode & 0o077) !== 0) chmodSync(path, 0o700)
  } catch (error) {
    throw systemFailure(error, { doing: 'cannot make the folder private', where: path })
  }
}
