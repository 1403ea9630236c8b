import type { TarEntry } from '../../archive/tar-entries.ts'

/** What an entry of a layer means for the tree that it is applied to. */
export type EntryKind = 'opaque' | 'whiteout' | 'folder' | 'hardLink' | 'symlink' | 'file' | 'leftOut' | 'unknown'

/** Marks something of the layers below as deleted (image-spec, layer.md, "Whiteouts"). */
export const whiteoutPrefix = '.wh.'
const opaque = '.wh..wh..opq'
/** The prefix of aufs' own files. */
const ownOfAufs = '.wh..wh.'

const flags = { hardLink: '1', symlink: '2', characters: '3', blocks: '4', folder: '5', pipe: '6' } as const
const leftOut: ReadonlySet<string> = new Set([flags.characters, flags.blocks, flags.pipe])
const fileFlags: ReadonlySet<string> = new Set(['0', '7'])

/** @param name its last segment */
export function kindOf({ flag, name: path }: Pick<TarEntry, 'flag' | 'name'>, name: string): EntryKind {
  if (name === opaque) return 'opaque'
  if (name.startsWith(ownOfAufs)) return 'leftOut'
  if (name.startsWith(whiteoutPrefix)) return 'whiteout'
  if (leftOut.has(flag)) return 'leftOut'
  // Before POSIX, a folder was a file whose name ends with a slash.
  if (flag === flags.folder || (fileFlags.has(flag) && path.endsWith('/'))) return 'folder'
  if (flag === flags.hardLink) return 'hardLink'
  if (flag === flags.symlink) return 'symlink'
  return fileFlags.has(flag) ? 'file' : 'unknown'
}
