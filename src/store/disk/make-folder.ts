import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf, Failure, messageOf } from '../../core/failure.ts'

const denied: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS'])

/**
 * Makes the folder that a server keeps its things in, and those above it, as mkdir -p does. Node's own way never ends
 * where the system will not have the folder though the one above it is there, as below /proc.
 * @param whose whose folder it is, as in "the store"
 * @throws Failure 'denied' when this user may not, 'invalid' when none can be there
 */
export function makeFolder(path: string, whose: string): void {
  try {
    make(path)
  } catch (error) {
    const code = errnoOf(error) ?? ''
    throw new Failure(
      denied.has(code) ? 'denied' : 'invalid',
      `the folder of ${whose} cannot be made: ${messageOf(error)}`,
      { where: path, next: [`Give ${whose} a folder that its user may write to.`], cause: error },
    )
  }
}

function make(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return
    const above = dirname(path)
    if (errnoOf(error) !== 'ENOENT' || above === path) throw error
    make(above)
    // Once more and no more: what says "not there" now means something else.
    mkdirSync(path)
  }
}
