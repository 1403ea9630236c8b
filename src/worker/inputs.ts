import {
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Directories, nodeDigest } from '../client/tree.ts'
import { type Digest, digestText } from '../core/digest.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import type { re } from '../wire/proto.ts'
import { fromTimestamp } from '../wire/time.ts'
import type { Content, Held } from './content.ts'
import { type Entry, type Need, needKey } from './content-index.ts'
import { removeTree } from './remove.ts'
import { isUntouched, resealed } from './sealed.ts'

/** Files, folders and symlinks that one action may have: a small graph can unfold to a huge tree. */
const entriesMax = 1_000_000
/** After so many files others get their turn on the event loop. */
const filesPerTurn = 256

/** Another action has changed a cached input before this one could have it; it can try again. */
export class InputsChanged extends Error {
  constructor(digest: string) {
    super(`an input was changed by another action: ${digest}`)
    this.name = 'InputsChanged'
  }
}

interface InputFile {
  readonly path: string
  readonly need: Need
  readonly properties: re.NodeProperties.$Properties | null | undefined
}

interface InputPlan {
  readonly folders: string[]
  readonly files: InputFile[]
  readonly links: { readonly path: string; readonly target: string }[]
}

/**
 * Makes an action's input root as a new folder: files linked out of the cache (copied where
 * that cannot be, or where the action may not share them), folders, symlinks with their
 * targets as given. Names were checked when the directories were parsed, and every entry has
 * to be new, so that nothing can be made outside, not even where the file system ignores case.
 * @returns what is held of the cache until returnInputs
 * @throws MissingInputs; Failure 'invalid' for a tree that is too large or collides
 */
export async function makeInputs(
  root: string,
  inputRoot: Digest,
  directories: Directories,
  content: Content,
): Promise<Held[]> {
  const plan: InputPlan = { folders: [root], files: [], links: [] }
  if (countEntries(inputRoot, directories, new Map()) > entriesMax)
    throw new Failure('invalid', `the input root has more than ${entriesMax} entries`)
  unfold(root, inputRoot, directories, plan)
  const needs = new Map<string, Need>()
  for (const { need } of plan.files) if (need.digest.size > 0) needs.set(needKey(need), need)
  const held = needs.size > 0 ? await content.acquire([...needs.values()]) : []
  try {
    await make(plan, new Map(held.map((each) => [each.entry.key, each])), content)
  } catch (error) {
    removeInputs(root, held)
    content.release(held)
    throw errnoOf(error) === 'EEXIST'
      ? new Failure('invalid', 'two entries of the input root are one to the file system', { cause: error })
      : error
  }
  return held
}

/**
 * Looks whether an action's inputs are what they were, and gives them back to the cache; their
 * links stay until removeInputs.
 * @returns true when an input that another action used at the same time has been changed: then
 *   nobody knows what the action has read
 */
export async function returnInputs(held: readonly Held[], content: Content): Promise<boolean> {
  const suspicious = held.filter(({ entry }) => !stillSealed(entry))
  let tainted = false
  for (const each of suspicious) {
    const shared = !each.alone || each.entry.holds !== each.holds
    if (shared && !(await content.recheck(each.entry))) tainted = true
  }
  content.release(held)
  return tainted
}

/** Removes an action's folder. Its inputs may be others' by now. */
export function removeInputs(root: string, held: readonly Held[]): void {
  // Removing a link changes the file's change time. So nothing may come between this look, after
  // which a change would go unnoticed, and the new seal.
  const sealed = held.filter(({ entry }) => stillSealed(entry))
  removeTree(root)
  for (const { entry } of sealed)
    if (entry.seal) entry.seal = resealed(entry.path, entry.digest.size, entry.executable, entry.seal)
}

/** A file that has been touched loses its seal: it is hashed before anybody gets it again. */
function stillSealed(entry: Entry): boolean {
  if (entry.seal && !entry.gone && isUntouched(entry.path, entry.digest.size, entry.executable, entry.seal)) return true
  entry.seal = undefined
  return false
}

/** Counts each distinct directory once, so that it is quick for a tree that unfolds to billions. */
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

function unfold(path: string, digest: Digest, directories: Directories, plan: InputPlan): void {
  const directory = directories.get(digestText(digest))
  if (!directory) throw new Failure('internal', 'a directory was not fetched', { where: digestText(digest) })
  for (const node of directory.files) {
    const need = { digest: nodeDigest(node, digest), executable: node.isExecutable ?? false }
    plan.files.push({ path: `${path}/${node.name}`, need, properties: node.nodeProperties })
  }
  for (const node of directory.symlinks) plan.links.push({ path: `${path}/${node.name}`, target: node.target ?? '' })
  for (const node of directory.directories) {
    const child = `${path}/${node.name}`
    plan.folders.push(child)
    unfold(child, nodeDigest(node, digest), directories, plan)
  }
}

async function make(plan: InputPlan, held: ReadonlyMap<string, Held>, content: Content): Promise<void> {
  for (const folder of plan.folders) mkdirSync(folder)
  let made = 0
  for (const file of plan.files) {
    if (++made % filesPerTurn === 0) await nextTurn()
    placeFile(file, held.get(needKey(file.need)), content)
  }
  for (const { path, target } of plan.links) symlinkSync(target, path)
}

function placeFile(file: InputFile, held: Held | undefined, content: Content): void {
  if (!held) {
    writeFileSync(file.path, '', { flag: 'wx', mode: file.need.executable ? 0o555 : 0o444 })
    return
  }
  const { entry } = held
  if (!entry.seal || entry.gone) throw new InputsChanged(digestText(entry.digest))
  if (file.properties || content.mustCopy(entry)) {
    copy(entry.path, file.path)
    if (file.properties) applyProperties(file.path, file.properties)
    return
  }
  try {
    linkSync(entry.path, file.path)
  } catch (error) {
    // Another device, a file system without links, or no room for one more of this file.
    if (!['EXDEV', 'EMLINK', 'EPERM', 'ENOTSUP'].includes(errnoOf(error) ?? '')) throw error
    copy(entry.path, file.path)
    return
  }
  // Linking has changed the change time.
  entry.seal = resealed(entry.path, entry.digest.size, entry.executable, entry.seal)
}

function copy(from: string, to: string): void {
  copyFileSync(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
}

function applyProperties(path: string, properties: re.NodeProperties.$Properties): void {
  const mode = properties.unixMode?.value
  if (mode != null) chmodSync(path, mode & 0o777)
  if (!properties.mtime) return
  const seconds = fromTimestamp(properties.mtime, 'node_properties.mtime') / 1000
  utimesSync(path, seconds, seconds)
}
