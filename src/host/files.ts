import { lstat, open, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { basename } from 'node:path'
import { errnoOf } from '../core/failure.ts'
import { systemFailure } from './system-errors.ts'

/** Writes a file atomically, for this user alone: a reader sees the old or the new text, never half of it. */
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
    throw systemFailure(error, { doing: `cannot write ${basename(path)}`, where: path })
  }
}

/**
 * What a call on a path gives; undefined if nothing is there.
 * @param gone codes of system errors that mean the same here
 */
export async function ifThere<T>(call: Promise<T>, ...gone: readonly string[]): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    const code = errnoOf(error)
    if (code !== undefined && (code === 'ENOENT' || gone.includes(code))) return undefined
    throw error
  }
}

/**
 * The text of a file; undefined if there is none.
 * @param what the file is, for errors
 */
export async function readIfThere(path: string, what = basename(path)): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw systemFailure(error, { doing: `cannot read ${what}`, where: path })
  }
}

/** Is there something at this path? */
export async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw systemFailure(error, { doing: `cannot look for ${basename(path)}`, where: path })
  }
}

/** Removes a file, or a folder with its contents; it is no error if there is none. */
export async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3 })
  } catch (error) {
    throw systemFailure(error, { doing: `cannot remove ${basename(path)}`, where: path })
  }
}

/** Removes a folder if it is empty. */
export async function removeEmpty(path: string): Promise<void> {
  try {
    await rmdir(path)
  } catch (error) {
    const code = errnoOf(error)
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST')
      throw systemFailure(error, { doing: `cannot remove ${basename(path)}`, where: path })
  }
}
