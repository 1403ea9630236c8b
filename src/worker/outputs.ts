import { lstatSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { wireDigest } from '../client/context.ts'
import { hashFile } from '../client/filehash.ts'
import { buildMerkleTree } from '../client/merkle.ts'
import type { BlobSource } from '../client/source.ts'
import type { DigestFunction } from '../core/digest.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { createTimeSlice } from '../host/time-slice.ts'
import { re } from '../wire/proto.ts'
import { isMachineError, systemText } from './action-error.ts'
import { nodePropertiesOf } from './node-properties.ts'
import { assertContained, type DeclaredOutput, parentOf } from './output-paths.ts'
import { targetForClient } from './symlinks.ts'

export interface OutputOptions {
  readonly fn: DigestFunction
  readonly command: re.Command.$Properties
  /** The action's folder, a real path. */
  readonly root: string
  /** Where the action saw its folder. */
  readonly seenRoot: string
  readonly declared: readonly DeclaredOutput[]
}

type OutputField =
  | 'outputFiles'
  | 'outputDirectories'
  | 'outputSymlinks'
  | 'outputFileSymlinks'
  | 'outputDirectorySymlinks'

/** The output fields of an ActionResult, and the blobs that they name. */
export interface CollectedOutputs {
  readonly result: { readonly [Field in OutputField]: NonNullable<re.ActionResult.$Properties[Field]> }
  readonly sources: BlobSource[]
}

interface Collection extends CollectedOutputs {
  /** Bytes of small files that are kept in memory rather than read again for the upload. */
  kept: number
}

/** Files up to this size are kept in memory until they are uploaded, up to a limit per action. */
const keptFileBytesMax = 64 * 1024
const keptBytesMax = 4 * 1024 * 1024

const treeOnly = 0
const directoryOnly = 1

/**
 * Collects those of an action's declared outputs that it made. Absent ones are left out (rule 36); symlinks stay
 * symlinks and are listed in both the newer and the older fields (rule 41); a directory becomes a Tree, Directory blobs
 * or both, as the Command asks (rule 39), without sockets, pipes and devices. The event loop gets its turns meanwhile.
 * @throws Failure 'precondition', with the path as in the Command, when a directory, or a symlink to one, stands where
 *   a file was declared, or the other way around, when an output lies outside, cannot be read, or is a socket, a pipe
 *   or a device
 */
export async function collectOutputs(options: OutputOptions): Promise<CollectedOutputs> {
  const collection: Collection = {
    result: {
      outputFiles: [],
      outputDirectories: [],
      outputSymlinks: [],
      outputFileSymlinks: [],
      outputDirectorySymlinks: [],
    },
    sources: [],
    kept: 0,
  }
  const slice = createTimeSlice()
  for (const declared of options.declared) {
    if (slice.over) await slice.next()
    await collect(declared, options, collection)
  }
  return collection
}

async function collect(declared: DeclaredOutput, options: OutputOptions, into: Collection): Promise<void> {
  const at = join(options.root, ...declared.segments)
  const stats = look(at)
  if (!stats) return
  if (declared.segments.length > 0)
    assertContained(options.root, parentOf(options.root, declared.segments), declared.path)
  try {
    await take(declared, at, stats, options, into)
  } catch (error) {
    throw outputError(error, declared.path, at)
  }
}

async function take(
  declared: DeclaredOutput,
  at: string,
  stats: Stats,
  options: OutputOptions,
  into: Collection,
): Promise<void> {
  if (stats.isSymbolicLink()) collectSymlink(declared, at, options, into)
  else if (stats.isDirectory()) {
    if (declared.kind === 'file') throw wrongKind(declared, 'a directory', 'a file')
    await collectDirectory(declared, at, options, into)
  } else if (stats.isFile()) {
    if (declared.kind === 'directory') throw wrongKind(declared, 'a file', 'a directory')
    await collectFile(declared, at, stats, options, into)
  } else throw new Failure('precondition', 'an output is a socket, a pipe or a device', { where: declared.path })
}

/**
 * The error for an output, with the client's name for it: it is not the request's fault, and where it lies on this
 * machine is not for clients to know.
 * @param at where the output, or the folder of them, lies; `declared` is the client's name of that
 */
export function outputError(error: unknown, declared: string, at: string): unknown {
  if (errnoOf(error) !== undefined)
    return isMachineError(error)
      ? error
      : new Failure('precondition', `an output cannot be read: ${systemText(error)}`, { where: declared, cause: error })
  if (!(error instanceof Failure) || error.kind !== 'invalid') return error
  const below = error.where?.startsWith(`${at}/`) ? error.where.slice(at.length + 1) : undefined
  const where = below === undefined ? declared : posix.join(declared, below)
  return new Failure('precondition', error.message, { where, cause: error })
}

function look(at: string): Stats | undefined {
  try {
    return lstatSync(at, { throwIfNoEntry: false })
  } catch (error) {
    // A component of the path is not a folder, so nothing can be there.
    if (errnoOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

function wrongKind(declared: DeclaredOutput, found: string, expected: string): Failure {
  return new Failure(
    'precondition',
    `the action created ${found} where the Command declares ${expected} as an output`,
    {
      where: declared.path,
    },
  )
}

async function collectFile(
  declared: DeclaredOutput,
  at: string,
  stats: Stats,
  options: OutputOptions,
  into: Collection,
): Promise<void> {
  const keep = into.kept < keptBytesMax ? keptFileBytesMax : 0
  const { digest, bytes } = await hashFile(at, options.fn, stats.size, keep)
  into.kept += bytes?.byteLength ?? 0
  into.sources.push({ digest, content: bytes ?? at })
  into.result.outputFiles.push({
    path: declared.path,
    digest: wireDigest(digest),
    isExecutable: (stats.mode & 0o100) !== 0,
    ...nodePropertiesOf(at, options.command),
  })
}

function collectSymlink(declared: DeclaredOutput, at: string, options: OutputOptions, into: Collection): void {
  const target = targetForClient(readlinkSync(at), declared.segments, options.seenRoot)
  const link = { path: declared.path, target, ...nodePropertiesOf(at, options.command) }
  const toDirectory = leadsToDirectory(at, declared)
  if (declared.kind === 'file' && toDirectory) throw wrongKind(declared, 'a symbolic link to a directory', 'a file')
  if (declared.kind === 'directory' && !toDirectory)
    throw wrongKind(declared, 'a symbolic link to a file', 'a directory')
  into.result.outputSymlinks.push(link)
  // Clients of API 2.0 read the older fields, which distinguish what the link leads to.
  if (toDirectory) into.result.outputDirectorySymlinks.push(link)
  else into.result.outputFileSymlinks.push(link)
}

/** A dangling link is taken to be what the Command declared. */
function leadsToDirectory(at: string, declared: DeclaredOutput): boolean {
  try {
    return statSync(at).isDirectory()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return declared.kind === 'directory'
  }
}

async function collectDirectory(
  declared: DeclaredOutput,
  at: string,
  options: OutputOptions,
  into: Collection,
): Promise<void> {
  const { command, fn } = options
  const keepBytes = into.kept < keptBytesMax ? keptFileBytesMax : 0
  const tree = await buildMerkleTree(at, {
    fn,
    keepBytes,
    keptBytesMax: keptBytesMax - into.kept,
    properties: (path) => nodePropertiesOf(path, command).nodeProperties,
    target: (path, target) => targetForClient(target, [...declared.segments, ...path.split('/')], options.seenRoot),
    omitSpecial: true,
  })
  into.kept += tree.keptBytes
  into.sources.push(...tree.files)
  const format = command.outputDirectoryFormat ?? treeOnly
  const output: re.OutputDirectory.$Properties = { path: declared.path }
  if (format !== directoryOnly) {
    const [root, ...children] = tree.directories.map((each) => each.message)
    const bytes = re.Tree.encode({ root: root ?? {}, children }).finish()
    const digest = digestOf(fn, bytes)
    into.sources.push({ digest, content: bytes })
    output.treeDigest = wireDigest(digest)
    // Parents come before their children, and each child once (client/merkle.ts).
    output.isTopologicallySorted = true
  }
  if (format !== treeOnly) {
    into.sources.push(...tree.directories.map(({ digest, bytes }) => ({ digest, content: bytes })))
    output.rootDirectoryDigest = wireDigest(tree.root.digest)
  }
  into.result.outputDirectories.push(output)
}

/** Puts the contents of requested files into the result itself, as long as they fit (rule 20). */
export function inlineFiles(collected: CollectedOutputs, paths: readonly string[], bytesMax: number): void {
  if (paths.length === 0) return
  const requested = new Set(paths)
  const bytes = new Map<string, Uint8Array>()
  for (const { digest, content } of collected.sources) if (typeof content !== 'string') bytes.set(digest.hash, content)
  let room = bytesMax
  for (const file of collected.result.outputFiles) {
    const contents = bytes.get(file.digest?.hash ?? '')
    if (!contents || !requested.has(file.path ?? '') || contents.byteLength > room) continue
    room -= contents.byteLength
    file.contents = contents
  }
}
