import { chmodSync, linkSync, lstatSync, lutimesSync, mkdirSync, rmSync, symlinkSync, utimesSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type TarEntry, tarEntries } from '../../archive/tar-entries.ts'
import { hostile, short } from '../../archive/tar-extension.ts'
import { errnoOf } from '../../core/failure.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import { diskFailure } from '../partial.ts'
import { type Brought, createBrought, removeAll } from './brought.ts'
import { type Room, takeRoom } from './room.ts'
import { folderIn, segmentsOf } from './tree-path.ts'

/** Marks something of the layers below as deleted (image-spec, layer.md, "Whiteouts"). */
const whiteout = '.wh.'
const opaque = '.wh..wh..opq'
/** The prefix of aufs' own files. */
const ownOfAufs = '.wh..wh.'
/** Without the set-user-ID and set-group-ID bits. */
const modeBits = 0o1777

const flags = { hardLink: '1', symlink: '2', characters: '3', blocks: '4', folder: '5', pipe: '6' } as const
const leftOut: ReadonlySet<string> = new Set([flags.characters, flags.blocks, flags.pipe])
const fileFlags: ReadonlySet<string> = new Set(['0', '7'])
/** Errors of the system for an entry that cannot be placed. */
const impossible: ReadonlySet<string> = new Set(['EEXIST', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EINVAL'])

/**
 * Applies a layer to a tree made of the layers below. Everything belongs to the current user, who may read and enter
 * all of it; devices and pipes are left out, and so are owners, extended attributes and set-user-ID bits. Nothing is
 * written or removed outside of the tree, whatever symlinks it contains.
 * @param tar the layer, expanded
 * @param room the remaining budget, which is reduced
 * @throws what the stream throws; Failure 'corrupt', 'invalid' for a hostile layer, 'exhausted' for one that is too
 *   large, and those of diskFailure
 */
export async function applyLayer(
  tar: AsyncIterable<Uint8Array>,
  tree: string,
  room: Room,
  where: string,
): Promise<void> {
  const own = createBrought(tree, where)
  const slice = createTimeSlice()
  for await (const entry of tarEntries(tar, where)) {
    // One piece may contain many headers: yield to other work between them.
    if (slice.over) await slice.next()
    takeRoom(room, fileFlags.has(entry.flag) ? entry.size : 0, where)
    const segments = segmentsOf(entry.name, where)
    const name = segments.pop()
    if (name === undefined) continue
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

async function put(entry: TarEntry, folder: string, name: string, around: Around): Promise<void> {
  const { own, room, where, tree } = around
  if (name === opaque) return own.clear(folder)
  if (name.startsWith(ownOfAufs)) return
  if (name.startsWith(whiteout)) return own.clear(join(folder, hidden(name, where)))
  if (leftOut.has(entry.flag)) return
  const path = join(folder, name)
  const mode = entry.mode & modeBits
  own.add(path)
  // Before POSIX, a folder was a file whose name ends with a slash.
  if (entry.flag === flags.folder || (fileFlags.has(entry.flag) && entry.name.endsWith('/'))) {
    if (!lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      rmSync(path, { force: true })
      mkdirSync(path)
    }
    chmodSync(path, mode | 0o700)
    return
  }
  if (entry.flag === flags.hardLink) {
    const segments = segmentsOf(entry.target, where)
    const last = segments.pop() ?? ''
    const target = join(folderIn(tree, segments, room, where), last)
    if (target === path) return
    if (!lstatSync(target, { throwIfNoEntry: false })?.isFile() && !isSymlink(target))
      throw hostile(`has a hard link "${short(entry.name)}" to "${short(entry.target)}", which is no file`, where)
    await removeAll(path)
    linkSync(target, path)
    return
  }
  await removeAll(path)
  if (entry.flag === flags.symlink) {
    symlinkSync(entry.target, path)
    lutimesSync(path, entry.mtime, entry.mtime)
  } else if (fileFlags.has(entry.flag)) await writeFileOf(entry, path, mode | 0o400)
  else throw hostile(`has an entry of type ${JSON.stringify(entry.flag)}, "${short(entry.name)}"`, where)
}

async function writeFileOf(entry: TarEntry, path: string, mode: number): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const piece of entry.content)
      for (let at = 0; at < piece.byteLength; ) at += (await file.write(piece, at)).bytesWritten
    await file.chmod(mode)
  } finally {
    await file.close()
  }
  utimesSync(path, entry.mtime, entry.mtime)
}

function hidden(name: string, where: string): string {
  const what = name.slice(whiteout.length)
  if (what === '' || what === '.' || what === '..') throw hostile(`has a whiteout of nothing: "${short(name)}"`, where)
  return what
}

function isSymlink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}
