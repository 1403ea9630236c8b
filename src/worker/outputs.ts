import { lstatSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { wireDigest } from '../client/context.ts'
import { hashFile } from '../client/filehash.ts'
import { buildMerkleTree } from '../client/merkle.ts'
import type { BlobSource } from '../client/source.ts'
import type { Digest, DigestFunction } from '../core/digest.ts'
import { errnoOf, Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { re } from '../wire/proto.ts'
import { nodePropertiesOf } from './node-properties.ts'
import { assertContained, parentOf, type WantedOutput } from './output-paths.ts'

export interface OutputOptions {
  readonly fn: DigestFunction
  readonly command: re.Command.$Properties
  /** The action's folder, a real path. */
  readonly root: string
  readonly wanted: readonly WantedOutput[]
}

/** The output fields of an ActionResult, and the blobs that they name. */
export interface CollectedOutputs {
  readonly result: Required<
    Pick<
      re.ActionResult.$Properties,
      'outputFiles' | 'outputDirectories' | 'outputSymlinks' | 'outputFileSymlinks' | 'outputDirectorySymlinks'
    >
  >
  readonly sources: BlobSource[]
}

interface Collection {
  readonly files: re.OutputFile.$Properties[]
  readonly directories: re.OutputDirectory.$Properties[]
  readonly symlinks: re.OutputSymlink.$Properties[]
  readonly fileSymlinks: re.OutputSymlink.$Properties[]
  readonly directorySymlinks: re.OutputSymlink.$Properties[]
  readonly sources: BlobSource[]
  /** Bytes of small files that are kept rather than read again for the upload. */
  kept: number
}

/** Files up to this size are kept in memory until they are uploaded, up to a bound for an action. */
const keptFileBytesMax = 64 * 1024
const keptBytesMax = 4 * 1024 * 1024

const treeOnly = 0
const directoryOnly = 1

/**
 * Looks what an action has made of what was wanted. What is absent is left out (rule 36);
 * symlinks stay symlinks and stand in the newer and in the older fields (rule 41); a directory
 * becomes a Tree, Directory blobs or both, as the Command asks (rule 39).
 * @throws Failure 'precondition' when a directory stands where a file was wanted, or the other
 *   way around, or an output lies outside; 'invalid' for a socket or device
 */
export async function collectOutputs(options: OutputOptions): Promise<CollectedOutputs> {
  const collection: Collection = {
    files: [],
    directories: [],
    symlinks: [],
    fileSymlinks: [],
    directorySymlinks: [],
    sources: [],
    kept: 0,
  }
  for (const wanted of options.wanted) await collect(wanted, options, collection)
  return {
    result: {
      outputFiles: collection.files,
      outputDirectories: collection.directories,
      outputSymlinks: collection.symlinks,
      outputFileSymlinks: collection.fileSymlinks,
      outputDirectorySymlinks: collection.directorySymlinks,
    },
    sources: collection.sources,
  }
}

async function collect(wanted: WantedOutput, options: OutputOptions, into: Collection): Promise<void> {
  const at = join(options.root, ...wanted.segments)
  const stats = look(at)
  if (!stats) return
  if (wanted.segments.length > 0) assertContained(options.root, parentOf(options.root, wanted.segments), wanted.path)
  if (stats.isSymbolicLink()) collectSymlink(wanted, at, options, into)
  else if (stats.isDirectory()) {
    if (wanted.kind === 'file') throw wrongKind(wanted, 'a directory', 'a file')
    await collectDirectory(wanted, at, options, into)
  } else if (stats.isFile()) {
    if (wanted.kind === 'directory') throw wrongKind(wanted, 'a file', 'a directory')
    await collectFile(wanted, at, stats, options, into)
  } else throw new Failure('precondition', 'an output is a socket, a pipe or a device', { where: wanted.path })
}

function look(at: string): Stats | undefined {
  try {
    return lstatSync(at, { throwIfNoEntry: false })
  } catch (error) {
    // A part of the path is no folder, so that nothing can be there.
    if (errnoOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

function wrongKind(wanted: WantedOutput, found: string, expected: string): Failure {
  return new Failure('precondition', `the action made ${found} where the Command names ${expected} as output`, {
    where: wanted.path,
  })
}

async function collectFile(
  wanted: WantedOutput,
  at: string,
  stats: Stats,
  options: OutputOptions,
  into: Collection,
): Promise<void> {
  const keep = into.kept < keptBytesMax ? keptFileBytesMax : 0
  const { digest, bytes } = await hashFile(at, options.fn, stats.size, keep)
  into.kept += bytes?.byteLength ?? 0
  into.sources.push({ digest, content: bytes ?? at })
  into.files.push({
    path: wanted.path,
    digest: wireDigest(digest),
    isExecutable: (stats.mode & 0o100) !== 0,
    ...nodePropertiesOf(at, options.command),
  })
}

function collectSymlink(wanted: WantedOutput, at: string, options: OutputOptions, into: Collection): void {
  const link = { path: wanted.path, target: readlinkSync(at), ...nodePropertiesOf(at, options.command) }
  into.symlinks.push(link)
  // Clients of API 2.0 read the older fields, which say what the link leads to.
  if (leadsToDirectory(at, wanted)) into.directorySymlinks.push(link)
  else into.fileSymlinks.push(link)
}

/** A link that leads nowhere is taken for what the Command said that the output is. */
function leadsToDirectory(at: string, wanted: WantedOutput): boolean {
  try {
    return statSync(at).isDirectory()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return wanted.kind === 'directory'
  }
}

async function collectDirectory(
  wanted: WantedOutput,
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
  })
  into.kept += tree.keptBytes
  into.sources.push(...tree.files)
  const format = command.outputDirectoryFormat ?? treeOnly
  const output: re.OutputDirectory.$Properties = { path: wanted.path }
  if (format !== directoryOnly) {
    const [root, ...children] = tree.directories.map((each) => each.message)
    const bytes = re.Tree.encode({ root: root ?? {}, children }).finish()
    const digest = digestOf(fn, bytes)
    into.sources.push({ digest, content: bytes })
    output.treeDigest = wireDigest(digest)
    // Parents stand before their children, and each child once (client/merkle.ts).
    output.isTopologicallySorted = true
  }
  if (format !== treeOnly) {
    into.sources.push(...tree.directories.map(({ digest, bytes }) => ({ digest, content: bytes })))
    output.rootDirectoryDigest = wireDigest(tree.root.digest)
  }
  into.directories.push(output)
}

/** Puts the contents of wanted files into the result itself, as long as they fit (rule 20). */
export function inlineFiles(collected: CollectedOutputs, paths: readonly string[], bytesMax: number): void {
  if (paths.length === 0) return
  const wanted = new Set(paths)
  const bytes = new Map<string, Uint8Array>()
  for (const { digest, content } of collected.sources) if (typeof content !== 'string') bytes.set(digest.hash, content)
  let room = bytesMax
  for (const file of collected.result.outputFiles ?? []) {
    const contents = bytes.get(file.digest?.hash ?? '')
    if (!contents || !wanted.has(file.path ?? '') || contents.byteLength > room) continue
    room -= contents.byteLength
    file.contents = contents
  }
}

/** The digest fields of a stream's file, and the blob. */
export async function collectStream(path: string, fn: DigestFunction): Promise<{ digest: Digest; source: BlobSource }> {
  const { digest, bytes } = await hashFile(path, fn, statSync(path).size, keptFileBytesMax)
  return { digest, source: { digest, content: bytes ?? path } }
}
