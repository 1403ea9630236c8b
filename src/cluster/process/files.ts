import { chmod, lstat, mkdir, open, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { z } from 'zod'
import { errnoOf, Failure, messageOf } from '../../core/failure.ts'

/**
 * Makes a folder that is this user's alone, with those above it.
 * @throws Failure 'denied' when it may not be made, or is another user's (a shared /tmp)
 */
export async function privateFolder(path: string, uid: number): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const facts = await lstat(path)
    if (!facts.isDirectory() || (uid >= 0 && facts.uid !== uid))
      throw new Failure('denied', "the folder is not this user's own", { where: path })
    if ((facts.mode & 0o077) !== 0) await chmod(path, 0o700)
  } catch (error) {
    throw fileFailure('cannot make a folder', path, error)
  }
}

/** Writes a file, for this user alone, so that a reader sees the old or the new text, never half. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const aside = `${path}.new`
  try {
    const file = await open(aside, 'w', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(aside, path)
  } catch (error) {
    throw fileFailure('cannot write', path, error)
  }
}

/** The text of a file; undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw fileFailure('cannot read', path, error)
  }
}

/**
 * A JSON file of ours; undefined when there is none.
 * @throws Failure 'corrupt' when it is not what we wrote
 */
export async function readState<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T> | undefined> {
  const text = await readIfThere(path)
  if (text === undefined) return undefined
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new Failure('corrupt', 'a state file is damaged or of another release', {
      where: path,
      next: ['Run `native down` and then `native up`: the state is made anew.'],
      cause,
    })
  }
}

/** Is there something at this path? */
export async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw fileFailure('cannot read', path, error)
  }
}

/** Removes a file or a folder with all in it; none is no error. */
export async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3 })
  } catch (error) {
    throw fileFailure('cannot remove', path, error)
  }
}

/** Removes a folder when nothing is in it. */
export async function removeEmpty(path: string): Promise<void> {
  try {
    await rmdir(path)
  } catch (error) {
    const code = errnoOf(error)
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw fileFailure('cannot remove', path, error)
  }
}

const kinds: Readonly<Record<string, 'denied' | 'exhausted' | 'not-found'>> = {
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
  ENOSPC: 'exhausted',
  EDQUOT: 'exhausted',
  EMFILE: 'exhausted',
  ENOENT: 'not-found',
}

function fileFailure(doing: string, path: string, error: unknown): unknown {
  const code = errnoOf(error)
  if (error instanceof Failure || code === undefined) return error
  return new Failure(kinds[code] ?? 'precondition', `${doing}: ${messageOf(error)}`, {
    where: path,
    next: [`Check that this user may write in ${dirname(path)} and that its disk has room.`],
    cause: error,
  })
}
