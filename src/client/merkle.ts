import { type Dirent, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, type DigestFunction, digestText } from '../core/digest.ts'
import { compareNames } from '../core/directory.ts'
import { Failure } from '../core/failure.ts'
import { digestOf } from '../core/hash.ts'
import { treeDepthMax, treeDirectoriesMax } from '../core/limits.ts'
import { createTimeSlice, type TimeSlice } from '../host/time-slice.ts'
import { re } from '../wire/proto.ts'
import { wireDigest } from './context.ts'
import { hashFile } from './filehash.ts'
import type { BlobSource } from './source.ts'

export interface MerkleOptions {
  readonly fn: DigestFunction
  /** True for entries to leave out of the tree; the path is relative to the folder, with `/`. */
  readonly ignore?: (path: string, isDirectory: boolean) => boolean
  /** Files up to this size are kept in memory rather than read again; default 0. */
  readonly keepBytes?: number
  /** Total of all kept bytes; default 0. */
  readonly keptBytesMax?: number
  /** Node properties of a file or symlink, if needed (rule 40). */
  readonly properties?: (path: string) => re.NodeProperties.$Properties | undefined
  /** The target to record for a symlink; default: its target unchanged. The path is relative to the folder. */
  readonly target?: (path: string, target: string) => string
  /** Omit sockets, devices and pipes instead of failing. */
  readonly omitSpecial?: boolean
}

/** A directory of the tree: its message, and the blob of that. */
interface MerkleDirectory {
  readonly digest: Digest
  readonly message: re.Directory.$Properties
  readonly bytes: Uint8Array
}

export interface MerkleTree {
  readonly root: MerkleDirectory
  /** Every directory once, parents before their children, the root first. */
  readonly directories: readonly MerkleDirectory[]
  /** Every file once. */
  readonly files: readonly BlobSource[]
  /** Bytes of all files, each file counted as often as it occurs. */
  readonly fileBytes: number
  /** Bytes of files held in memory. */
  readonly keptBytes: number
}

/**
 * Builds the Merkle tree of a folder: canonical Directory messages (rule 39), with empty directories and symlinks
 * (their targets unchanged), the executable bit taken from the owner's. Files are hashed, not kept. Yields to the event
 * loop.
 * @throws Failure 'invalid' for a socket, device or pipe, a name that is not UTF-8, and a tree deeper or larger than
 *   core/limits.ts allows
 */
export async function buildMerkleTree(folder: string, options: MerkleOptions): Promise<MerkleTree> {
  const state: State = {
    options,
    slice: createTimeSlice(),
    directories: new Map(),
    files: new Map(),
    fileBytes: 0,
    keptBytes: 0,
    seen: 0,
  }
  const root = await visit(folder, '', 0, state)
  // Children are finished before their parents, and a directory that occurs twice is kept where it first finished:
  // reversed, no directory precedes one that contains it.
  return {
    root,
    directories: [...state.directories.values()].reverse(),
    files: [...state.files.values()],
    fileBytes: state.fileBytes,
    keptBytes: state.keptBytes,
  }
}

/** All blobs of a tree: directories and files. */
export function treeSources(tree: MerkleTree): BlobSource[] {
  return [...tree.directories.map(({ digest, bytes }) => ({ digest, content: bytes })), ...tree.files]
}

interface State {
  readonly options: MerkleOptions
  readonly slice: TimeSlice
  readonly directories: Map<string, MerkleDirectory>
  readonly files: Map<string, BlobSource>
  fileBytes: number
  keptBytes: number
  seen: number
}

async function visit(folder: string, path: string, depth: number, state: State): Promise<MerkleDirectory> {
  state.seen += 1
  if (depth > treeDepthMax || state.seen > treeDirectoriesMax)
    throw new Failure('invalid', `the folder has more than ${treeDepthMax} levels or ${treeDirectoriesMax} folders`, {
      where: folder,
    })
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => compareNames(a.name, b.name))
  const message = { files: [], directories: [], symlinks: [] } as Required<
    Pick<re.Directory.$Properties, 'files' | 'directories' | 'symlinks'>
  > & {
    files: re.FileNode.$Properties[]
    directories: re.DirectoryNode.$Properties[]
    symlinks: re.SymlinkNode.$Properties[]
  }
  for (const entry of entries) {
    if (state.slice.over) await state.slice.next()
    const at = join(folder, entry.name)
    const relative = path === '' ? entry.name : `${path}/${entry.name}`
    assertUtf8(entry, at)
    if (state.options.ignore?.(relative, entry.isDirectory())) continue
    if (entry.isDirectory()) {
      const child = await visit(at, relative, depth + 1, state)
      message.directories.push({ name: entry.name, digest: wireDigest(child.digest) })
    } else if (entry.isSymbolicLink()) {
      const target = readlinkSync(at)
      const shown = state.options.target?.(relative, target) ?? target
      message.symlinks.push({ name: entry.name, target: shown, ...properties(at, state) })
    } else if (entry.isFile()) {
      message.files.push(await fileNode(entry.name, at, state))
    } else if (!state.options.omitSpecial)
      throw new Failure('invalid', 'a socket, device or pipe cannot be part of a tree', { where: at })
  }
  const bytes = re.Directory.encode(message).finish()
  const directory = { digest: digestOf(state.options.fn, bytes), message, bytes }
  const key = digestText(directory.digest)
  if (!state.directories.has(key)) state.directories.set(key, directory)
  return directory
}

async function fileNode(name: string, at: string, state: State): Promise<re.FileNode.$Properties> {
  const stats = lstatSync(at)
  const room = (state.options.keptBytesMax ?? 0) - state.keptBytes
  const { digest, bytes } = await hashFile(
    at,
    state.options.fn,
    stats.size,
    Math.min(state.options.keepBytes ?? 0, room),
  )
  state.fileBytes += digest.size
  state.keptBytes += bytes?.byteLength ?? 0
  const key = digestText(digest)
  if (!state.files.has(key)) state.files.set(key, { digest, content: bytes ?? at })
  return { name, digest: wireDigest(digest), isExecutable: (stats.mode & 0o100) !== 0, ...properties(at, state) }
}

function properties(at: string, state: State): { nodeProperties?: re.NodeProperties.$Properties } {
  const nodeProperties = state.options.properties?.(at)
  return nodeProperties ? { nodeProperties } : {}
}

/** Node replaces bytes that are not UTF-8, so a file with such a name could not be opened again. */
function assertUtf8(entry: Dirent, at: string): void {
  if (entry.name.includes('\ufffd') && !lstatSync(at, { throwIfNoEntry: false }))
    throw new Failure('invalid', 'a name that is not UTF-8 cannot be part of a tree', { where: at })
}
