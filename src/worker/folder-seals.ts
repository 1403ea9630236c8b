import { lstatSync, type Stats } from 'node:fs'
import { errnoOf } from '../core/failure.ts'
import { type Need, smallFileBytesMax } from './need.ts'
import { isUntouched, type Seal, sealOf } from './sealed.ts'

/** A folder of an action's inputs, and what shows whether the action has changed anything in it. */
export interface FolderSeal {
  /** In the folder above; empty for the input root. */
  readonly name: string
  /** Of its Directory message, by digest. */
  readonly key: string
  /** The folder's own: undefined until all its entries are there. */
  seal: Seal | undefined
  /** Copies that others may get. */
  readonly files: SealedFile[]
  /** Empty files and symlinks. */
  readonly others: SealedOther[]
  readonly folders: FolderSeal[]
  /** Has it only entries that are in these lists? Otherwise it is never kept as a whole. */
  isListed: boolean
}

interface SealedFile {
  readonly name: string
  readonly need: Need
  readonly seal: Seal
}

interface SealedOther {
  readonly name: string
  readonly seal: Seal
}

export function newFolderSeal(name: string, key: string): FolderSeal {
  return { name, key, seal: undefined, files: [], others: [], folders: [], isListed: true }
}

/** Seals folders whose entries are all there, beginning with the deepest. */
export function* sealFolders(folder: FolderSeal, path: string): Generator<void> {
  for (const each of folder.folders) if (!each.seal) yield* sealFolders(each, `${path}/${each.name}`)
  yield
  folder.seal = sealOf(lstatSync(path))
}

/** Seals a folder again that we have moved: that changes its own time, and nothing below. */
export function resealFolder(folder: FolderSeal, path: string): FolderSeal {
  folder.seal = sealOf(lstatSync(path))
  return folder
}

/** The folders that are, with all that is below them, as they were sealed, and that may be kept as a whole. */
export function* untouchedFolders(folder: FolderSeal, path: string, whole: Set<FolderSeal>): Generator<void> {
  let isWhole = folder.isListed && isFolderUntouched(folder, path)
  for (const each of folder.folders) {
    yield* untouchedFolders(each, `${path}/${each.name}`, whole)
    isWhole &&= whole.has(each)
  }
  for (const { name, need, seal } of isWhole ? folder.files : []) {
    yield
    // A large file costs much to copy, so that it has to be there for folders of other content, too.
    isWhole &&= need.digest.size <= smallFileBytesMax
    isWhole &&= orFalse(() => isUntouched(`${path}/${name}`, need.digest.size, need.executable, seal))
  }
  for (const { name, seal } of isWhole ? folder.others : []) {
    yield
    isWhole &&= isSame(statsOf(`${path}/${name}`), seal)
  }
  if (isWhole) whole.add(folder)
}

/** What a disk gives for an entry without content, at least. */
const diskBlockBytes = 4096

/** Size of all files and of what has no content, folders below included. */
export function bytesIn({ files, folders, others }: FolderSeal): number {
  const own = files.reduce((sum, { need }) => sum + need.digest.size, (1 + others.length) * diskBlockBytes)
  return folders.reduce((sum, each) => sum + bytesIn(each), own)
}

function isFolderUntouched({ seal }: FolderSeal, path: string): boolean {
  const stats = statsOf(path)
  return stats?.isDirectory() === true && isSame(stats, seal)
}

/** A folder's change time shows every entry that came or went, and changes of its mode. */
function isSame(stats: Stats | undefined, seal: Seal | undefined): boolean {
  return stats !== undefined && seal !== undefined && stats.ino === seal.inode && stats.ctimeMs === seal.changedMs
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    // A folder above has been replaced.
    return undefined
  }
}

function orFalse(look: () => boolean): boolean {
  try {
    return look()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return false
  }
}
