import { forEachLimited } from '../client/parallel.ts'
import { type Directories, nodeDigest } from '../client/tree.ts'
import { type Digest, digestKey, digestText } from '../core/digest.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import { inSlices } from '../host/time-slice.ts'
import type { Content } from './content.ts'
import type { Entry } from './content-index.ts'
import { type FolderSeal, newFolderSeal, sealFolders, untouchedFolders } from './folder-seals.ts'
import type { InputSource } from './input-source.ts'
import { collision, type Making, makeTree, needOf, placeLarge } from './input-tree.ts'
import type { Linked } from './links.ts'
import { type Need, needKey } from './need.ts'
import { setFineTimes } from './node-properties.ts'

/** The most files, folders and symlinks of one action: a small graph can unfold into a huge tree. */
const entriesMax = 1_000_000
const largeFilesAtOnce = 4

/** What an action uses from the cache. */
export interface Inputs {
  /** Files that it shares with the cache, and the entries that they come from. */
  readonly linked: readonly Linked[]
  readonly held: readonly Entry[]
  /** Copies and folders that others may get once it has left them untouched; none where they are not reused. */
  readonly lent: FolderSeal | undefined
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
