import { lstatSync, mkdirSync, symlinkSync } from 'node:fs'
import { forEachLimited } from '../client/parallel.ts'
import { type Directories, nodeDigest } from '../client/tree.ts'
import { type Digest, digestKey, digestText } from '../core/digest.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import { inSlices } from '../host/time-slice.ts'
import type { re } from '../wire/proto.ts'
import type { Content } from './content.ts'
import type { Entry } from './content-index.ts'
import { copyLarge, copySmall, writeInput } from './copies.ts'
import { type FolderSeal, newFolderSeal, sealFolders, untouchedFolders } from './folder-seals.ts'
import type { Linked, Links } from './links.ts'
import { withRoom, withRoomSync } from './make-room.ts'
import { type Need, needKey, smallFileBytesMax } from './need.ts'
import { applyNodeProperties, type FineTimes, setFineTimes, setsAnything } from './node-properties.ts'
import { type Seal, sealOf } from './sealed.ts'

/** The most files, folders and symlinks of one action: a small graph can unfold into a huge tree. */
const entriesMax = 1_000_000
const largeFilesAtOnce = 4

/** Where inputs come from. */
export interface InputSource {
  readonly content: Content
  /** Set for a worker whose actions share inputs; otherwise each has its own copies. */
  readonly links: Links | undefined
  /** Are copies that an action leaves untouched kept for others? Only where no process of it can live on. */
  readonly reuse: () => Promise<boolean>
  /** Removes an action's folder, at once or later. */
  readonly remove: (path: string) => void
}

/** What an action uses from the cache. */
export interface Inputs {
  /** Files that it shares with the cache, and the entries that they come from. */
  readonly linked: readonly Linked[]
  readonly held: readonly Entry[]
  /** Copies and folders that others may get once it has left them untouched; none where they are not reused. */
  readonly lent: FolderSeal | undefined
}

/** Where an entry is placed. */
interface Place {
  readonly path: string
  readonly name: string
  /** The folder that it belongs to. */
  readonly above: FolderSeal
}

interface LargeFile extends Place {
  readonly entry: Entry
  readonly node: re.FileNode.$Properties
}

interface Making {
  readonly source: InputSource
  readonly entries: ReadonlyMap<string, Entry>
  readonly linked: Linked[]
  readonly reuse: boolean
  readonly large: LargeFile[]
  readonly fine: FineTimes
}

/**
 * Makes an action's input root as a new folder: files of the action's own, folders, and symlinks with targets as given.
 * Names were checked when the directories were parsed, and every entry has to be new, so nothing can be created
 * outside, not even where the file system ignores case.
 * @throws MissingInputs, InputsChanged; Failure 'invalid' for a tree that is too large or collides, 'exhausted' when
 *   the disk is full; the signal's reason
 */
export async function makeInputs(
  root: string,
  inputRoot: Digest,
  directories: Directories,
  source: InputSource,
  signal: AbortSignal,
): Promise<Inputs> {
  if (countEntries(inputRoot, directories, new Map()) > entriesMax)
    throw new Failure('invalid', `the input root has more than ${entriesMax} entries`)
  const reuse = await source.reuse()
  const needs = needsOf(directories, inputRoot)
  const held = needs.length > 0 ? await source.content.acquire(needs) : []
  const entries = new Map(held.map((entry) => [entry.key, entry]))
  const making: Making = { source, entries, reuse, linked: [], large: [], fine: new Map() }
  const lent = newFolderSeal('', digestKey(inputRoot))
  try {
    await inSlices(makeTree(root, inputRoot, directories, lent, making), signal)
    await forEachLimited(making.large, largeFilesAtOnce, (file) => placeLarge(file, making))
    await setFineTimes(making.fine)
    if (reuse) await inSlices(sealFolders(lent, root))
  } catch (error) {
    source.links?.unlink(making.linked)
    source.content.release(held)
    source.remove(root)
    throw errnoOf(error) === 'EEXIST' ? collision(error) : error
  }
  const { linked } = making
  const made = { linked, lent: reuse ? lent : undefined }
  if (linked.length > 0) return { ...made, held }
  source.content.release(held)
  return { ...made, held: [] }
}

/**
 * Returns an action's inputs to the cache; its links stay until removeInputs.
 * @returns true when a shared one has been modified meanwhile, so that it is unknown what the action has read
 */
export function returnInputs({ held, linked }: Inputs, { content, links }: InputSource): boolean {
  const touched = links?.judge(linked) ?? false
  content.release(held)
  return touched
}

/** Removes an action's folder, at once or later, except for copies that others can use. */
export async function removeInputs(
  root: string,
  { linked, lent }: Inputs,
  { content, links, remove }: InputSource,
): Promise<void> {
  links?.unlink(linked)
  if (lent) {
    const whole = new Set<FolderSeal>()
    for (const folder of lent.folders) await inSlices(untouchedFolders(folder, `${root}/${folder.name}`, whole))
    await inSlices(keep(lent, root, whole, content))
  }
  remove(root)
}

/** Keeps folders that are whole as they are, and of others the files. */
function* keep(folder: FolderSeal, path: string, whole: ReadonlySet<FolderSeal>, content: Content): Generator<void> {
  for (const each of folder.folders) {
    const at = `${path}/${each.name}`
    if (whole.has(each)) yield content.spareFolders.give(each, at)
    else yield* keep(each, at, whole, content)
  }
  for (const { name, need, seal } of folder.files)
    yield content.spares.give(needKey(need), need, `${path}/${name}`, seal)
}

/** Visits each distinct directory once, so that it is fast even for a tree that unfolds to billions of entries. */
function countEntries(digest: Digest, directories: Directories, counted: Map<string, number>): number {
  const key = digestText(digest)
  const known = counted.get(key)
  if (known !== undefined) return known
  const directory = directories.get(key)
  let count = 1 + (directory?.files.length ?? 0) + (directory?.symlinks.length ?? 0)
  for (const node of directory?.directories ?? []) count += countEntries(nodeDigest(node, digest), directories, counted)
  counted.set(key, count)
  return count
}

/** Each file of the tree once. */
function needsOf(directories: Directories, root: Digest): Need[] {
  const needs = new Map<string, Need>()
  for (const { files } of directories.values())
    for (const node of files) {
      const need = needOf(node, root)
      if (need.digest.size > 0) needs.set(needKey(need), need)
    }
  return [...needs.values()]
}

function needOf(node: re.FileNode.$Properties, parent: Digest): Need {
  return { digest: nodeDigest(node, parent), executable: node.isExecutable ?? false }
}

/** Makes the tree entry by entry, except for its large files, which are collected for later. */
function* makeTree(
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

async function placeLarge({ entry, node, ...place }: LargeFile, making: Making): Promise<void> {
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

function collision(cause?: unknown): Failure {
  return new Failure('invalid', 'two entries of the input root have the same name on this file system', { cause })
}
