import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { lstat, mkdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Digest } from '../core/digest.ts'
import { errnoOf, Failure, messageOf } from '../core/failure.ts'
import { hashFile } from './filehash.ts'
import { assertInside, kindAt } from './paths.ts'

/** A file or a symlink to be made. */
export interface Entry {
  readonly segments: readonly string[]
  /** Of a file: an existing one with the same bytes may be replaced. */
  readonly digest: Digest | undefined
}

export interface Placing {
  readonly folder: string
  readonly entries: readonly Entry[]
  /** Directories, including ones that stay empty. */
  readonly directories: readonly (readonly string[])[]
  /** May what is at this path be replaced? */
  readonly mayReplace: (path: string) => boolean
}

/** Paths named in an error. */
const namedMax = 5

/**
 * Makes entries in a folder, all or none: they are made in a staging folder, under temporary names, and moved into
 * place once all are there; if a move fails, the earlier ones are undone.
 * @param make makes an entry at the given path
 * @throws Failure 'precondition' for a symlink or a file where a folder should be, 'exists' for a folder in the place
 *   of an entry and for what may not be replaced
 */
export async function placeEntries(
  placing: Placing,
  make: (places: readonly string[]) => Promise<void>,
): Promise<void> {
  const { folder, entries } = placing
  assertNoneInAnother(entries, placing.directories)
  await assertFree(placing)
  const folders: Undo[] = []
  const moves: Undo[] = []
  const staging = join(folder, `.native-${randomUUID()}`)
  try {
    await made(folder, folders)
    await mkdir(staging, { mode: 0o700 })
    await make(entries.map((_, at) => join(staging, String(at))))
    for (const segments of placing.directories) await makeInside(folder, segments, moves)
    for (const [at, { segments }] of entries.entries()) await move(folder, segments, staging, at, moves)
  } catch (error) {
    for (const undo of moves.reverse()) await undo()
    // Undoing needs what is in there, and perhaps removes the folder around it.
    folders.unshift(() => rm(staging, { recursive: true, force: true }))
    for (const undo of folders) await undo()
    throw error
  }
  await rm(staging, { recursive: true, force: true })
}

/** Undoes one change. */
type Undo = () => Promise<void>

/** An entry in the place of another's folder is refused before anything is fetched. */
function assertNoneInAnother(entries: readonly Entry[], directories: Placing['directories']): void {
  const files = new Set(entries.map(({ segments }) => segments.join('/')))
  for (const path of [...entries.map(({ segments }) => segments), ...directories.map((each) => [...each, ''])])
    for (let length = 1; length < path.length; length += 1)
      if (files.has(path.slice(0, length).join('/')))
        throw new Failure('precondition', 'an output is both a folder and something else', {
          where: path.slice(0, length).join('/'),
        })
}

async function assertFree({ folder, entries, directories, mayReplace }: Placing): Promise<void> {
  for (const segments of directories) assertInside(folder, [...segments, ''])
  const refused: string[] = []
  for (const { segments, digest } of entries) {
    const path = join(folder, ...segments)
    assertInside(folder, segments)
    const kind = kindAt(path)
    if (kind === 'absent') continue
    if (kind === 'directory') throw folderThere(path)
    if (!mayReplace(path) && !(kind === 'file' && (await hasBytes(path, digest)))) refused.push(path)
  }
  if (refused.length === 0) return
  const more = refused.length > namedMax ? ` and ${refused.length - namedMax} more` : ''
  throw new Failure('exists', 'an output would replace something that native did not write', {
    where: refused.slice(0, namedMax).join(', ') + more,
    next: ['Use --force to replace it, or choose another folder with --output-to.'],
  })
}

function folderThere(path: string): Failure {
  return new Failure('exists', 'a folder is in the way of an output, and folders are never replaced', {
    where: path,
    next: ['Remove or rename it, or choose another folder with --output-to.'],
  })
}

async function hasBytes(path: string, digest: Digest | undefined): Promise<boolean> {
  if (!digest || (await lstat(path)).size !== digest.size) return false
  const found = await hashFile(path, digest.fn, digest.size)
  return found.digest.size === digest.size && found.digest.hash === digest.hash
}

/** Makes a folder and its missing parents; undoing removes exactly those. */
async function made(path: string, undo: Undo[]): Promise<void> {
  const first = mkdirSync(path, { recursive: true })
  if (first === undefined) return
  undo.push(async () => {
    for (let at = path; at.length >= first.length; at = dirname(at)) if (!(await removedEmpty(at))) return
  })
}

async function removedEmpty(path: string): Promise<boolean> {
  try {
    await rmdir(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

async function makeInside(folder: string, segments: readonly string[], undo: Undo[]): Promise<void> {
  assertInside(folder, [...segments, ''])
  await made(join(folder, ...segments), undo)
}

/** Moves an entry into place; what was there waits in the staging folder until all have been moved. */
async function move(
  folder: string,
  segments: readonly string[],
  staging: string,
  at: number,
  undo: Undo[],
): Promise<void> {
  const path = join(folder, ...segments)
  const old = join(staging, `${at}.old`)
  await makeInside(folder, segments.slice(0, -1), undo)
  assertInside(folder, segments)
  try {
    const kind = kindAt(path)
    // It appeared after the check.
    if (kind === 'directory') throw folderThere(path)
    if (kind !== 'absent') {
      await rename(path, old)
      undo.push(() => rename(old, path))
    }
    await rename(join(staging, String(at)), path)
    undo.push(() => rename(path, join(staging, String(at))))
  } catch (error) {
    if (error instanceof Failure || errnoOf(error) === undefined) throw error
    throw new Failure('precondition', `writing an output: ${messageOf(error)}`, { where: path, cause: error })
  }
}
