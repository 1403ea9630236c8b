import { type Digest, digestFromWire, digestFunctions, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { treeDepthMax, treeDirectoriesMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import type { CasClient } from './cas.ts'
import { decodeBlob } from './decode-blob.ts'
import { pathSegments } from './paths.ts'
import { type Directories, fetchDirectories, nodeDigest, parseDirectory } from './tree.ts'

/** Limits of a plan: what a result names is as large as its author likes. */
export interface PlanBounds {
  /** Larger Trees are not loaded. */
  readonly treeBytesMax: number
  /**
   * All Trees of a result together; folders named by their root Directory have none, and are refused if this is set.
   */
  readonly treesBytesMax: number
  /** Files and symlinks, in output directories and outside. */
  readonly entriesMax: number
  /** Total length of their paths, in UTF-16 units. */
  readonly pathsLengthMax: number
}

/** For a program that writes the outputs of its own actions. */
const usualBounds: PlanBounds = {
  treeBytesMax: 256 * 1024 * 1024,
  treesBytesMax: Number.POSITIVE_INFINITY,
  entriesMax: 10_000_000,
  pathsLengthMax: Number.POSITIVE_INFINITY,
}

export interface PlannedFile {
  readonly segments: readonly string[]
  readonly digest: Digest
  readonly executable: boolean
  /** Contents inlined in the result; empty if there are none. */
  readonly contents: Uint8Array
}

interface PlannedLink {
  readonly segments: readonly string[]
  readonly target: string
}

/** The entries that a result names, every path checked and unique; the last one wins. */
export interface OutputPlan {
  readonly files: readonly PlannedFile[]
  readonly directories: readonly (readonly string[])[]
  readonly symlinks: readonly PlannedLink[]
}

/** The fields of a result that name outputs. */
const outputFields = [
  'outputFiles',
  'outputSymlinks',
  'outputFileSymlinks',
  'outputDirectorySymlinks',
  'outputDirectories',
] as const

/** The same result with only the requested outputs: whoever wrote it into a cache may have added others. */
export function askedOutputs(
  result: re.ActionResult.$Properties,
  asked: readonly string[],
): re.ActionResult.$Properties {
  const wanted = new Set(asked)
  const isAsked = ({ path }: { readonly path?: string | null }) => wanted.has(path ?? '')
  return {
    ...result,
    outputFiles: (result.outputFiles ?? []).filter(isAsked),
    outputSymlinks: (result.outputSymlinks ?? []).filter(isAsked),
    outputFileSymlinks: (result.outputFileSymlinks ?? []).filter(isAsked),
    outputDirectorySymlinks: (result.outputDirectorySymlinks ?? []).filter(isAsked),
    outputDirectories: (result.outputDirectories ?? []).filter(isAsked),
  }
}

/** How the outputs of a result differ from those requested. */
export interface OutputDifference {
  readonly found: readonly string[]
  readonly missing: readonly string[]
  /** In the result, but not requested. */
  readonly unasked: readonly string[]
}

export function compareOutputs(result: re.ActionResult.$Properties, asked: readonly string[]): OutputDifference {
  const named = new Set(outputFields.flatMap((field) => (result[field] ?? []).map(({ path }) => path ?? '')))
  const wanted = [...new Set(asked)]
  return {
    found: wanted.filter((path) => named.has(path)),
    missing: wanted.filter((path) => !named.has(path)),
    unasked: [...named].filter((path) => !wanted.includes(path)),
  }
}

/**
 * Turns a result, and the trees of its output directories, into a list of things to write.
 * @throws Failure 'invalid' for a path that is not relative and plain, a malformed Tree, or anything beyond the
 *   limits
 */
export async function planOutputs(
  cas: CasClient,
  result: re.ActionResult.$Properties,
  signal?: AbortSignal,
  bounds = usualBounds,
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
  const plan: Plan = { files, directories, symlinks, bounds, pathsLength: 0 }
  let treesBytes = 0
  for (const directory of result.outputDirectories ?? []) {
    const segments = pathSegments(directory.path ?? '', 'output_directories')
    treesBytes += directory.treeDigest ? (directory.treeDigest.sizeBytes ?? 0) : Number.POSITIVE_INFINITY
    if (treesBytes > bounds.treesBytesMax)
      throw new Failure('invalid', 'the output directories are too large', { where: directory.path ?? '' })
    const { root, all } = await openDirectory(cas, directory, bounds.treeBytesMax, signal)
    expand(root, all, segments, 0, plan)
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
  treeBytesMax: number,
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

/** A Tree references its children only by content, so each digest has to be computed. */
function openTree(digest: Digest, bytes: Uint8Array): { root: Digest; all: Directories } {
  const tree = decodeBlob(re.Tree, digest, bytes)
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

interface Plan {
  readonly files: Map<string, PlannedFile>
  readonly directories: Map<string, readonly string[]>
  readonly symlinks: Map<string, PlannedLink>
  readonly bounds: PlanBounds
  pathsLength: number
}

/** Counts a path, even if it comes again: the last one of two wins. */
function pathIn(plan: Plan, segments: readonly string[]): string {
  const path = segments.join('/')
  plan.pathsLength += path.length
  const { entriesMax, pathsLengthMax } = plan.bounds
  if (plan.files.size + plan.symlinks.size > entriesMax || plan.pathsLength > pathsLengthMax) throw tooMany()
  return path
}

function tooMany(): Failure {
  return new Failure('invalid', 'the output directories have too many entries')
}

/** A small Tree can stand for a huge folder, so the expansion is bounded. */
function expand(root: Digest, all: Directories, segments: readonly string[], depth: number, plan: Plan): void {
  const directory = all.get(digestText(root))
  if (!directory)
    throw new Failure('invalid', `a Tree lacks the directory ${segments.join('/')}`, { where: digestText(root) })
  if (depth > treeDepthMax || plan.directories.size > Math.min(treeDirectoriesMax, plan.bounds.entriesMax))
    throw tooMany()
  plan.directories.set(pathIn(plan, segments), segments)
  for (const node of directory.files) {
    const path = [...segments, node.name ?? '']
    plan.files.set(pathIn(plan, path), {
      segments: path,
      digest: nodeDigest(node, root),
      executable: node.isExecutable ?? false,
      contents: new Uint8Array(),
    })
  }
  for (const node of directory.symlinks) {
    const path = [...segments, node.name ?? '']
    plan.symlinks.set(pathIn(plan, path), { segments: path, target: node.target ?? '' })
  }
  for (const node of directory.directories)
    expand(nodeDigest(node, root), all, [...segments, node.name ?? ''], depth + 1, plan)
}
