import { checkedDigest, type Digest, digestText } from '../core/digest.ts'
import { checkDirectory } from '../core/directory.ts'
import { Failure } from '../core/failure.ts'
import { treeDepthMax, treeDirectoriesMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import type { CasClient } from './cas.ts'
import { decodeBlob } from './decode-blob.ts'

const emptyDirectory = re.Directory.decode(new Uint8Array())

/** The directories of a tree by `hash/size`, each structurally checked. */
export type Directories = ReadonlyMap<string, re.Directory>

/** A cache of directories already read, by `hash/size`; it may drop any of them. */
export interface KnownDirectories {
  get(key: string): re.Directory | undefined
  set(key: string, directory: re.Directory): unknown
}

/**
 * All directories below some roots, including the roots. Fetches unknown ones level by level and adds them to the cache;
 * known ones are not fetched again.
 * @throws Failure 'not-found' naming a directory that the server lacks, 'invalid' for one that is not a canonical
 *   Directory, or for a tree beyond core/limits.ts
 */
export async function fetchDirectories(
  cas: Pick<CasClient, 'readBlobs'>,
  roots: readonly Digest[],
  known: KnownDirectories,
  signal?: AbortSignal,
): Promise<Directories> {
  const reached = new Map<string, re.Directory>()
  let level = new Map(roots.map((root) => [digestText(root), root]))
  for (let depth = 0; level.size > 0; depth += 1) {
    if (depth > treeDepthMax) throw new Failure('invalid', `the tree is deeper than ${treeDepthMax} directories`)
    await readLevel(cas, level, known, reached, signal)
    if (reached.size > treeDirectoriesMax)
      throw new Failure('invalid', `the tree has more than ${treeDirectoriesMax} directories`)
    level = childrenOf(level, reached)
  }
  return reached
}

async function readLevel(
  cas: Pick<CasClient, 'readBlobs'>,
  level: ReadonlyMap<string, Digest>,
  known: KnownDirectories,
  reached: Map<string, re.Directory>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const unknown: Digest[] = []
  for (const [key, digest] of level) {
    const directory = digest.size === 0 ? emptyDirectory : known.get(key)
    if (directory) reached.set(key, directory)
    else unknown.push(digest)
  }
  if (unknown.length === 0) return
  const blobs = await cas.readBlobs(unknown, signal)
  for (const digest of unknown) {
    const key = digestText(digest)
    const directory = parseDirectory(digest, blobs.get(key))
    reached.set(key, directory)
    known.set(key, directory)
  }
}

function childrenOf(
  level: ReadonlyMap<string, Digest>,
  reached: ReadonlyMap<string, re.Directory>,
): Map<string, Digest> {
  const next = new Map<string, Digest>()
  for (const [key, digest] of level)
    for (const node of reached.get(key)?.directories ?? []) {
      const child = nodeDigest(node, digest)
      if (!reached.has(digestText(child))) next.set(digestText(child), child)
    }
  return next
}

/** The digest of a node in a Directory, checked. */
export function nodeDigest(node: re.DirectoryNode.$Properties | re.FileNode.$Properties, parent: Digest): Digest {
  return checkedDigest(parent.fn, node.digest?.hash ?? '', node.digest?.sizeBytes ?? 0, node.name ?? 'entry')
}

/**
 * Decodes a Directory from its blob and checks its structure (rule 39).
 * @param bytes undefined when the server lacks the blob
 * @throws Failure 'not-found', 'invalid'
 */
export function parseDirectory(digest: Digest, bytes: Uint8Array | undefined): re.Directory {
  if (!bytes)
    throw new Failure('not-found', 'a directory of the tree is not in the storage', { where: digestText(digest) })
  const directory = decodeBlob(re.Directory, digest, bytes)
  checkDirectory(directory, digestText(digest))
  return directory
}
