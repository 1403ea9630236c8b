import {
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import { hostile, short } from '../../archive/tar-extension.ts'
import { errnoOf } from '../../core/failure.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import { diskFailure } from '../partial.ts'
import { type Brought, createBrought, removeAll } from './brought.ts'
import { whiteoutPrefix } from './entry-kind.ts'
import { type Room, takeName, takeRoom } from './room.ts'
import type { LayerEntry } from './stored-layer.ts'
import { folderIn, segmentsOf } from './tree-path.ts'

/** Errors of the system for an entry that cannot be placed. */
const impossible: ReadonlySet<string> = new Set(['EEXIST', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EINVAL'])
/** Errors of the system where a file can have no further name: too many, another file system, or none that has links. */
const linkless: ReadonlySet<string> = new Set(['EMLINK', 'EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP'])

/**
 * Applies a layer to a tree made of the layers below. Its files are hard links to the stored ones. Everything belongs to
 * the current user, who may read and enter all of it; devices and pipes are left out, and so are owners, extended
 * attributes and set-user-ID bits. Nothing is written or removed outside of the tree, whatever symlinks it contains.
 * @param entries of a stored layer, in order
 * @param room the remaining budget, which is reduced by what the tree itself takes
 * @throws what the entries throw; Failure 'invalid' for a hostile layer, 'exhausted' for one that is too large, and
 *   those of diskFailure
 */
export async function applyLayer(
  entries: AsyncIterable<LayerEntry>,
  tree: string,
  room: Room,
  where: string,
): Promise<void> {
  const own = createBrought(tree, where)
  const slice = createTimeSlice()
  for await (const entry of entries) {
    if (slice.over) await slice.next()
    const segments = segmentsOf(entry.name, where)
    const name = segments.pop()
    if (name === undefined) continue
    takeName(room, name.length, where)
    try {
      const folder = folderIn(tree, segments, room, where)
      for (let at = folder; !own.has(at); at = join(at, '..')) own.add(at)
      await put(entry, folder, name, { tree, room, where, own })
    } catch (error) {
      if (!impossible.has(errnoOf(error) ?? '')) throw diskFailure(error, join(tree, entry.name))
      throw hostile(`has an entry that cannot be beside the others: "${short(entry.name)}" (${errnoOf(error)})`, where)
    }
  }
}

interface Around {
  readonly tree: string
  readonly room: Room
  readonly where: string
  readonly own: Brought
}

async function put(entry: LayerEntry, folder: string, name: string, around: Around): Promise<void> {
  const { own, where, room } = around
  const { kind } = entry
  if (kind === 'opaque') return own.clear(folder)
  if (kind === 'whiteout') return own.clear(join(folder, hidden(name, where)))
  const path = join(folder, name)
  own.add(path)
  if (kind === 'folder') return putFolder(path, entry.mode, around)
  if (kind === 'hardLink') return putHardLink(entry, path, around)
  await removeAll(path)
  if (kind === 'symlink') {
    takeRoom(room, 0, where)
    symlinkSync(entry.target, path)
    lutimesSync(path, entry.mtime, entry.mtime)
  } else putFile(entry, path, around)
}

function putFolder(path: string, mode: number, { room, where }: Around): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    takeRoom(room, 0, where)
    rmSync(path, { force: true })
    mkdirSync(path)
  }
  chmodSync(path, mode | 0o700)
}

async function putHardLink({ name, target: to }: LayerEntry, path: string, around: Around): Promise<void> {
  const { tree, room, where } = around
  const segments = segmentsOf(to, where)
  const last = segments.pop() ?? ''
  const target = join(folderIn(tree, segments, room, where), last)
  if (target === path) return
  const stats = lstatSync(target, { throwIfNoEntry: false })
  if (!stats?.isFile() && !stats?.isSymbolicLink())
    throw hostile(`has a hard link "${short(name)}" to "${short(to)}", which is no file`, where)
  await removeAll(path)
  linkSync(target, path)
}

function putFile({ file, mtime }: LayerEntry, path: string, { room, where }: Around): void {
  try {
    linkSync(file, path)
  } catch (error) {
    if (!linkless.has(errnoOf(error) ?? '')) throw error
    takeRoom(room, lstatSync(file).size, where)
    copyFileSync(file, path)
    utimesSync(path, mtime, mtime)
  }
}

function hidden(name: string, where: string): string {
  const what = name.slice(whiteoutPrefix.length)
  if (what === '' || what === '.' || what === '..') throw hostile(`has a whiteout of nothing: "${short(name)}"`, where)
  return what
}
