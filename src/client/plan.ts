import { type Digest, digestFromWire, digestFunctions, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { treeDepthMax, treeDirectoriesMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import type { CasClient } from './cas.ts'
import { pathSegments } from './paths.ts'
import { type Directories, fetchDirectories, nodeDigest, parseDirectory } from './tree.ts'

/** A Tree that is larger than this is not brought into memory. */
const treeBytesMax = 256 * 1024 * 1024
const entriesMax = 10_000_000

export interface PlannedFile {
  readonly segments: readonly string[]
  readonly digest: Digest
  readonly executable: boolean
  /** What came with the result; empty when nothing did. */
  readonly contents: Uint8Array
}

interface PlannedLink {
  readonly segments: readonly string[]
  readonly target: string
}

/** What a result says is there, every path checked and each once; the last one wins. */
export interface OutputPlan {
  readonly files: readonly PlannedFile[]
  readonly directories: readonly (readonly string[])[]
  readonly symlinks: readonly PlannedLink[]
}

/**
 * Reads a result, and the trees of its output directories, into a list of things to write.
 * @throws Failure 'invalid' for a path that is not relative and plain, a malformed Tree
 */
export async function planOutputs(
  cas: CasClient,
  result: re.ActionResult.$Properties,
  signal?: AbortSignal,
): Promise<OutputPlan> {
  const { value } = digestFunctions[cas.fn]
  const files = new Map<string, PlannedFile>()
  const directories = new Map<string, readonly string[]>()
  const symlinks = new Map<string, PlannedLink>()
  for (const file of result.outputFiles ?? [])
    files.set(file.path ?? '', {
      segments: named(file.path, 'output_files'),
      digest: digestFromWire(file.digest, value, `output_files: ${file.path}`),
      executable: file.isExecutable ?? false,
      contents: file.contents ?? new Uint8Array(),
    })
  // The newer field and the two that it replaced name the same links (rule 41).
  for (const link of [
    ...(result.outputFileSymlinks ?? []),
    ...(result.outputDirectorySymlinks ?? []),
    ...(result.outputSymlinks ?? []),
  ])
    symlinks.set(link.path ?? '', { segments: named(link.path, 'output_symlinks'), target: link.target ?? '' })
  for (const directory of result.outputDirectories ?? []) {
    const segments = pathSegments(directory.path ?? '', 'output_directories')
    const { root, all } = await openDirectory(cas, directory, signal)
    expand(root, all, segments, 0, { files, directories, symlinks })
  }
  return { files: [...files.values()], directories: [...directories.values()], symlinks: [...symlinks.values()] }
}

function named(path: string | null | undefined, what: string): string[] {
  const segments = pathSegments(path ?? '', what)
  if (segments.length === 0) throw new Failure('invalid', `${what}: a path is empty`)
  return segments
}

async function openDirectory(
  cas: CasClient,
  directory: re.OutputDirectory.$Properties,
  signal: AbortSignal | undefined,
): Promise<{ root: Digest; all: Directories }> {
  const { value } = digestFunctions[cas.fn]
  if (!directory.treeDigest) {
    const root = digestFromWire(directory.rootDirectoryDigest, value, `output_directories: ${directory.path}`)
    return { root, all: await fetchDirectories(cas, [root], new Map(), signal) }
  }
  const digest = digestFromWire(directory.treeDigest, value, `output_directories: ${directory.path}`)
  if (digest.size > treeBytesMax)
    throw new Failure('invalid', `a Tree is larger than ${treeBytesMax} bytes`, { where: digestText(digest) })
  return openTree(digest, await cas.readBlob(digest, signal))
}

/** A Tree names its children by nothing but their content, so that each digest is computed. */
function openTree(digest: Digest, bytes: Uint8Array): { root: Digest; all: Directories } {
  const tree = decodeTree(digest, bytes)
  const all = new Map<string, re.Directory>()
  const add = (directory: re.Directory.$Properties): Digest => {
    const blob = re.Directory.encode(directory).finish()
    const own = digestOf(digest.fn, blob)
    if (!all.has(digestText(own))) all.set(digestText(own), parseDirectory(own, blob))
    return own
  }
  for (const child of tree.children) add(child)
  return { root: add(tree.root ?? {}), all }
}

function decodeTree(digest: Digest, bytes: Uint8Array): re.Tree {
  try {
    return re.Tree.decode(bytes)
  } catch (cause) {
    throw new Failure('invalid', 'a blob that should be a Tree is no such message', {
      where: digestText(digest),
      cause,
    })
  }
}

interface Plan {
  readonly files: Map<string, PlannedFile>
  readonly directories: Map<string, readonly string[]>
  readonly symlinks: Map<string, PlannedLink>
}

/** A small Tree can stand for a huge folder, so that what it unfolds to is bounded. */
function expand(root: Digest, all: Directories, segments: readonly string[], depth: number, plan: Plan): void {
  const directory = all.get(digestText(root))
  if (!directory)
    throw new Failure('invalid', `a Tree lacks the directory ${segments.join('/')}`, { where: digestText(root) })
  if (
    depth > treeDepthMax ||
    plan.directories.size > treeDirectoriesMax ||
    plan.files.size + plan.symlinks.size > entriesMax
  )
    throw new Failure('invalid', 'the output directories have more entries than are taken')
  plan.directories.set(segments.join('/'), segments)
  for (const node of directory.files) {
    const path = [...segments, node.name ?? '']
    plan.files.set(path.join('/'), {
      segments: path,
      digest: nodeDigest(node, root),
      executable: node.isExecutable ?? false,
      contents: new Uint8Array(),
    })
  }
  for (const node of directory.symlinks) {
    const path = [...segments, node.name ?? '']
    plan.symlinks.set(path.join('/'), { segments: path, target: node.target ?? '' })
  }
  for (const node of directory.directories)
    expand(nodeDigest(node, root), all, [...segments, node.name ?? ''], depth + 1, plan)
}
