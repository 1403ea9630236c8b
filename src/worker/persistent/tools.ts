import { posix } from 'node:path'
import { wireDigest } from '../../client/context.ts'
import { type Directories, nodeDigest } from '../../client/tree.ts'
import { type Digest, digestText } from '../../core/digest.ts'
import { digestOf } from '../../core/hash.ts'
import { re } from '../../wire/proto.ts'
import { seenRoot } from '../sandbox/cell.ts'

/** A tree of inputs. */
export interface Tree {
  readonly root: Digest
  readonly directories: Directories
}

/** The inputs that stay with a tool's process, and those that come with each action. */
export interface PartedInputs {
  readonly tools: Tree
  readonly others: Tree
}

/** Bazel marks the files of a tool with it (`--experimental_remote_mark_tool_inputs`). */
const toolProperty = 'bazel_tool_input'

interface Parted {
  readonly tools: Digest | undefined
  readonly others: Digest | undefined
}

/** Splits an input tree into the tool's own inputs and the others, each a tree of its own. */
export function partInputs({ root, directories }: Tree): PartedInputs {
  const tools = new Map<string, re.Directory>()
  const others = new Map<string, re.Directory>()
  const known = new Map<string, Parted>()

  const write = (directory: re.Directory, into: Map<string, re.Directory>): Digest => {
    const digest = digestOf(root.fn, re.Directory.encode(directory).finish())
    into.set(digestText(digest), directory)
    return digest
  }
  const part = (digest: Digest): Parted => {
    const key = digestText(digest)
    const before = known.get(key)
    if (before) return before
    const directory = directories.get(key) ?? new re.Directory()
    const below = directory.directories.map((node) => ({ node, parted: part(nodeDigest(node, digest)) }))
    const side = (which: keyof Parted, isTool: boolean): re.Directory =>
      new re.Directory({
        files: directory.files.filter((node) => isMarked(node) === isTool),
        symlinks: directory.symlinks.filter((node) => isMarked(node) === isTool),
        directories: below.flatMap(({ node, parted }) =>
          parted[which] ? [{ name: node.name ?? '', digest: wireDigest(parted[which]) }] : [],
        ),
      })
    const tool = side('tools', true)
    const other = side('others', false)
    const parted = {
      tools: isEmpty(tool) ? undefined : write(tool, tools),
      // A folder with nothing but tool files belongs to the tool; one that is empty to begin with is an input.
      others: isEmpty(other) && !isEmpty(directory) ? undefined : write(other, others),
    }
    known.set(key, parted)
    return parted
  }
  const parted = part(root)
  return {
    tools: { root: parted.tools ?? write(new re.Directory(), tools), directories: tools },
    others: { root: parted.others ?? write(new re.Directory(), others), directories: others },
  }
}

/** Every file of a tree by its path, and its digest in hexadecimal. */
export function* filesOf({ root, directories }: Tree, at = ''): Generator<{ path: string; digest: string }> {
  const directory = directories.get(digestText(root))
  for (const node of directory?.files ?? []) yield { path: `${at}${node.name}`, digest: node.digest?.hash ?? '' }
  for (const node of directory?.directories ?? [])
    yield* filesOf({ root: nodeDigest(node, root), directories }, `${at}${node.name}/`)
}

/** Every path of a tree, and whether it is a folder. */
export function* entriesOf({ root, directories }: Tree, at = ''): Generator<[string, 'entry' | 'folder']> {
  const directory = directories.get(digestText(root))
  for (const { name } of [...(directory?.files ?? []), ...(directory?.symlinks ?? [])]) yield [`${at}${name}`, 'entry']
  for (const node of directory?.directories ?? []) {
    yield [`${at}${node.name}`, 'folder']
    yield* entriesOf({ root: nodeDigest(node, root), directories }, `${at}${node.name}/`)
  }
}

export function isEmptyTree({ root, directories }: Tree): boolean {
  const directory = directories.get(digestText(root))
  return !directory || isEmpty(directory)
}

/** What separates a path from a flag's name, or from another path, in an argument. */
const separators = /[=:,;\s]/

/**
 * Does an argument or a variable name a file, folder or symlink of a tree, as a whole or between separators?
 * @param working what it is relative to, in the tree
 */
export function namesEntry(text: string, tree: Tree, working: readonly string[]): boolean {
  if (isEmptyTree(tree)) return false
  return [text, ...text.split(separators)].some((name) => {
    if (name === '') return false
    const inside = name === seenRoot || name.startsWith(`${seenRoot}/`) ? `.${name.slice(seenRoot.length)}` : undefined
    if (inside === undefined && name.startsWith('/')) return false
    return holds(tree, posix.join(...(inside === undefined ? working : []), inside ?? name).split('/'))
  })
}

function holds({ root, directories }: Tree, segments: readonly string[]): boolean {
  const [name = '', ...below] = segments.filter((each) => each !== '' && each !== '.')
  if (name === '') return true
  const directory = directories.get(digestText(root))
  const node = directory?.directories.find((each) => each.name === name)
  if (node) return holds({ root: nodeDigest(node, root), directories }, below)
  const isEntry = [...(directory?.files ?? []), ...(directory?.symlinks ?? [])].some((each) => each.name === name)
  // Anything may be below a symlink.
  return isEntry && (below.length === 0 || (directory?.symlinks ?? []).some((each) => each.name === name))
}

function isMarked({ nodeProperties }: re.FileNode.$Properties | re.SymlinkNode.$Properties): boolean {
  return nodeProperties?.properties?.some(({ name }) => name === toolProperty) ?? false
}

function isEmpty({ files, symlinks, directories }: re.Directory): boolean {
  return files.length + symlinks.length + directories.length === 0
}
