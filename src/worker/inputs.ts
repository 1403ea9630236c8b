import { lstatSync, mkdirSync, symlinkSync } from 'node:fs'
import { forEachLimited } from '../client/parallel.ts'
import { type Directories, nodeDigest } from '../client/tree.ts'
import { type Digest, digestText } from '../core/digest.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import { inSlices } from '../host/time-slice.ts'
import type { re } from '../wire/proto.ts'
import type { Content } from './content.ts'
import type { Entry } from './content-index.ts'
import { copyLarge, copySmall, smallFileBytesMax, writeInput } from './copies.ts'
import type { Linked, Links } from './links.ts'
import { withRoom, withRoomSync } from './make-room.ts'
import { type Need, needKey } from './need.ts'
import { applyNodeProperties, type FineTimes, setFineTimes, setsAnything } from './node-properties.ts'
import type { Seal } from './sealed.ts'
import type { Spares } from './spares.ts'

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
  /** Copies that others may get once it has left them untouched. */
  readonly lent: readonly Lent[]
}

interface Lent {
  readonly need: Need
  readonly path: string
  readonly seal: Seal
}

interface LargeFile {
  readonly path: string
  readonly entry: Entry
  readonly node: re.FileNode.$Properties
}

interface Making {
  readonly source: InputSource
  readonly entries: ReadonlyMap<string, Entry>
  readonly linked: Linked[]
  readonly reuse: boolean
  readonly lent: Lent[]
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
  const making: Making = { source, entries, reuse, linked: [], lent: [], large: [], fine: new Map() }
  try {
    await inSlices(makeTree(root, inputRoot, directories, making), signal)
    await forEachLimited(making.large, largeFilesAtOnce, (file) => placeLarge(file, making))
    await setFineTimes(making.fine)
  } catch (error) {
    source.links?.unlink(making.linked)
    source.content.release(held)
    source.remove(root)
    throw errnoOf(error) === 'EEXIST' ? collision(error) : error
  }
  const { linked, lent } = making
  if (linked.length > 0) return { linked, held, lent }
  source.content.release(held)
  return { linked, held: [], lent }
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
  await inSlices(keep(lent, content.spares))
  remove(root)
}

function* keep(lent: readonly Lent[], spares: Spares): Generator<void> {
  for (const { need, path, seal } of lent) yield spares.give(needKey(need), need, path, seal)
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
function* makeTree(root: string, inputRoot: Digest, directories: Directories, making: Making): Generator<void> {
  const { makeRoom } = making.source.content
  const ahead = [{ path: root, digest: inputRoot }]
  for (let folder = ahead.pop(); folder; folder = ahead.pop()) {
    const { path, digest } = folder
    const directory = directories.get(digestText(digest))
    if (!directory) throw new Failure('internal', 'a directory was not fetched', { where: digestText(digest) })
    withRoomSync(makeRoom, 0, () => mkdirSync(path))
    yield
    for (const node of directory.files) yield placeFile(`${path}/${node.name}`, node, digest, making)
    for (const { name, target } of directory.symlinks)
      yield withRoomSync(makeRoom, 0, () => symlinkSync(target ?? '', `${path}/${name}`))
    for (const node of directory.directories)
      ahead.push({ path: `${path}/${node.name}`, digest: nodeDigest(node, digest) })
  }
}

function placeFile(path: string, node: re.FileNode.$Properties, parent: Digest, making: Making): void {
  const { content } = making.source
  const need = needOf(node, parent)
  const entry = making.entries.get(needKey(need))
  if (entry && !setsAnything(node.nodeProperties) && placeShared(path, entry, making)) return
  if (entry && need.digest.size > smallFileBytesMax) {
    making.large.push({ path, entry, node })
    return
  }
  const seal = withRoomSync(content.makeRoom, need.digest.size, () =>
    entry ? copySmall(entry, path) : writeInput(path, new Uint8Array(), need.executable),
  )
  placed(path, need, seal, node, making)
}

/** Gives the action a link, or a copy that another has used; false when neither is available. */
function placeShared(path: string, entry: Entry, making: Making): boolean {
  const { content, links } = making.source
  if (links?.link(entry, path)) {
    making.linked.push({ entry, path })
    return true
  }
  if (!making.reuse || !content.spares.has(entry.key)) return false
  // A rename would replace an existing file.
  if (lstatSync(path, { throwIfNoEntry: false })) throw collision()
  const seal = content.spares.take(entry.key, path)
  if (seal) making.lent.push({ need: entry, path, seal })
  return seal !== undefined
}

async function placeLarge({ path, entry, node }: LargeFile, making: Making): Promise<void> {
  const { makeRoom } = making.source.content
  const seal = await withRoom(makeRoom, entry.digest.size, () => copyLarge(entry, path))
  placed(path, entry, seal, node, making)
}

/** Records that a new copy is in place. */
function placed(path: string, need: Need, seal: Seal, node: re.FileNode.$Properties, making: Making): void {
  if (node.nodeProperties && setsAnything(node.nodeProperties))
    applyNodeProperties(path, node.nodeProperties, making.fine)
  else if (making.reuse && need.digest.size > 0) making.lent.push({ need, path, seal })
}

function collision(cause?: unknown): Failure {
  return new Failure('invalid', 'two entries of the input root have the same name on this file system', { cause })
}
