import { lstatSync, mkdirSync, symlinkSync } from 'node:fs'
import { type Directories, nodeDigest } from '../client/tree.ts'
import { type Digest, digestKey, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { re } from '../wire/proto.ts'
import type { Entry } from './content-index.ts'
import { copyLarge, copySmall, writeInput } from './copies.ts'
import { type FolderSeal, newFolderSeal } from './folder-seals.ts'
import type { InputSource } from './input-source.ts'
import type { Linked } from './links.ts'
import { withRoom, withRoomSync } from './make-room.ts'
import { type Need, needKey, smallFileBytesMax } from './need.ts'
import { applyNodeProperties, type FineTimes, setsAnything } from './node-properties.ts'
import { type Seal, sealOf } from './sealed.ts'

/** Where an entry is placed. */
interface Place {
  readonly path: string
  readonly name: string
  /** The folder that it belongs to. */
  readonly above: FolderSeal
}

export interface LargeFile extends Place {
  readonly entry: Entry
  readonly node: re.FileNode.$Properties
}

/** An input root that is being made. */
export interface Making {
  readonly source: InputSource
  readonly entries: ReadonlyMap<string, Entry>
  readonly linked: Linked[]
  readonly reuse: boolean
  readonly large: LargeFile[]
  readonly fine: FineTimes
}

/** Makes the tree entry by entry, except for its large files, which are collected for later. */
export function* makeTree(
  root: string,
  inputRoot: Digest,
  directories: Directories,
  rootSeal: FolderSeal,
  making: Making,
): Generator<void> {
  const { makeRoom } = making.source.content
  const ahead = [{ path: root, digest: inputRoot, seal: rootSeal }]
  for (let folder = ahead.pop(); folder; folder = ahead.pop()) {
    const { path, digest, seal } = folder
    const directory = directories.get(digestText(digest))
    if (!directory) throw new Failure('internal', 'a directory was not fetched', { where: digestText(digest) })
    withRoomSync(makeRoom, 0, () => mkdirSync(path))
    yield
    for (const node of directory.files) {
      const name = node.name ?? ''
      yield placeFile({ path: `${path}/${name}`, name, above: seal }, node, digest, making)
    }
    for (const { name, target } of directory.symlinks)
      yield placeSymlink({ path: `${path}/${name}`, name: name ?? '', above: seal }, target ?? '', making)
    for (const node of directory.directories) {
      const below = { path: `${path}/${node.name}`, name: node.name ?? '', above: seal }
      const digestBelow = nodeDigest(node, digest)
      if (!(yield* placeSpareFolder(below, digestBelow, making))) ahead.push(newFolder(below, digestBelow))
    }
  }
}

function newFolder({ path, name, above }: Place, digest: Digest) {
  const seal = newFolderSeal(name, digestKey(digest))
  above.folders.push(seal)
  return { path, digest, seal }
}

/** Gives the action a folder that another has had. */
function* placeSpareFolder(
  { path, name, above }: Place,
  digest: Digest,
  { source, reuse }: Making,
): Generator<void, boolean> {
  const { spareFolders } = source.content
  const key = digestKey(digest)
  if (!reuse || !spareFolders.has(key)) return false
  // A rename would replace an empty folder.
  if (lstatSync(path, { throwIfNoEntry: false })) throw collision()
  const folder = yield* spareFolders.take(key, path, name)
  if (folder) above.folders.push(folder)
  return folder !== undefined
}

function placeSymlink({ path, name, above }: Place, target: string, { source, reuse }: Making): void {
  withRoomSync(source.content.makeRoom, 0, () => symlinkSync(target, path))
  if (reuse) above.others.push({ name, seal: sealOf(lstatSync(path)) })
}

function placeFile(place: Place, node: re.FileNode.$Properties, parent: Digest, making: Making): void {
  const { path } = place
  const { content } = making.source
  const need = needOf(node, parent)
  const entry = making.entries.get(needKey(need))
  if (entry && !setsAnything(node.nodeProperties) && placeShared(place, entry, making)) return
  if (entry && need.digest.size > smallFileBytesMax) {
    making.large.push({ ...place, entry, node })
    return
  }
  const seal = withRoomSync(content.makeRoom, need.digest.size, () =>
    entry ? copySmall(entry, path) : writeInput(path, new Uint8Array(), need.executable),
  )
  placed(place, need, seal, node, making)
}

/** Gives the action a link, or a copy that another has used; false when neither is available. */
function placeShared({ path, name, above }: Place, entry: Entry, making: Making): boolean {
  const { content, links } = making.source
  if (links?.link(entry, path)) {
    making.linked.push({ entry, path })
    above.isListed = false
    return true
  }
  if (!making.reuse || !content.spares.has(entry.key)) return false
  // A rename would replace an existing file.
  if (lstatSync(path, { throwIfNoEntry: false })) throw collision()
  const seal = content.spares.take(entry.key, path)
  if (seal) above.files.push({ name, need: entry, seal })
  return seal !== undefined
}

/** Copies a large file, after all others are in place. */
export async function placeLarge({ entry, node, ...place }: LargeFile, making: Making): Promise<void> {
  const { makeRoom } = making.source.content
  const seal = await withRoom(makeRoom, entry.digest.size, () => copyLarge(entry, place.path))
  placed(place, entry, seal, node, making)
}

/** Records that a new copy is in place. */
function placed(
  { path, name, above }: Place,
  need: Need,
  seal: Seal,
  node: re.FileNode.$Properties,
  making: Making,
): void {
  if (node.nodeProperties && setsAnything(node.nodeProperties)) {
    above.isListed = false
    applyNodeProperties(path, node.nodeProperties, making.fine)
  } else if (need.digest.size > 0) above.files.push({ name, need, seal })
  else above.others.push({ name, seal })
}

export function collision(cause?: unknown): Failure {
  return new Failure('invalid', 'two entries of the input root have the same name on this file system', { cause })
}

/** @param parent the digest of its folder or the root, for the digest function */
export function needOf(node: re.FileNode.$Properties, parent: Digest): Need {
  return { digest: nodeDigest(node, parent), executable: node.isExecutable ?? false }
}
