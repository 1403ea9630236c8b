import { checkedDigest, type Digest, digestKey, digestText } from '../core/digest.ts'
import { digestGroups } from '../core/digest-groups.ts'
import { checkDirectory } from '../core/directory.ts'
import { Failure, messageOf } from '../core/failure.ts'
import { batchBytesMax, treeDepthMax, treeDirectoriesMax } from '../core/limits.ts'
import type { Blobs } from '../store/blobs.ts'
import { re } from '../wire/proto.ts'
import { readWhole } from './whole.ts'

/** A Directory has to fit into a message, GetTree's for one. */
export const directoryBytesMax = batchBytesMax
/** Directories that are read at once, and what they may have together, in bytes. */
const readAheadMax = 32
const readAheadBytesMax = batchBytesMax

/** One step of a walk. */
export interface Visited {
  readonly digest: Digest
  /** Absent when the blob is. */
  readonly found?: { readonly bytes: Uint8Array; readonly directory: re.Directory.$Properties }
}

/**
 * Visits a tree of Directory blobs breadth first, the root first, each distinct one once; the
 * order is the same each time. Absent ones are reported, and what lies beneath them is not.
 * @throws Failure 'invalid' for a blob that is not a canonical Directory, and for a tree that is
 *   too large or too deep
 */
export async function* walkDirectories(blobs: Blobs, root: Digest): AsyncGenerator<Visited> {
  const seen = new Set([digestKey(root)])
  let level = [root]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > treeDepthMax) throw tooLarge(root, `deeper than ${treeDepthMax} directories`)
    const below: Digest[] = []
    for (const group of digestGroups(level, { bytesMax: readAheadBytesMax, countMax: readAheadMax })) {
      const read = await Promise.all(group.map((digest) => visit(blobs, digest)))
      for (const visited of read) {
        yield visited
        for (const child of childrenOf(visited)) {
          const key = digestKey(child)
          if (seen.has(key)) continue
          if (seen.size >= treeDirectoriesMax) throw tooLarge(root, `more than ${treeDirectoriesMax} directories`)
          seen.add(key)
          below.push(child)
        }
      }
    }
    level = below
  }
}

/** The digests of a directory's files. */
export function fileDigests(directory: re.Directory.$Properties, owner: Digest): Digest[] {
  return (directory.files ?? []).map((file) => nodeDigest(file.digest, owner))
}

/**
 * @param owner the blob that it comes out of: its function is that of what it names
 * @throws Failure 'invalid' when it is not a Directory
 */
export function decodeDirectory(bytes: Uint8Array, owner: Digest): re.Directory.$Properties {
  try {
    return re.Directory.decode(bytes)
  } catch (error) {
    throw new Failure('invalid', `the blob is not a Directory: ${messageOf(error)}`, {
      where: digestText(owner),
      cause: error,
    })
  }
}

async function visit(blobs: Blobs, digest: Digest): Promise<Visited> {
  const bytes = await readWhole(blobs, digest, directoryBytesMax)
  if (!bytes) return { digest }
  const directory = decodeDirectory(bytes, digest)
  checkDirectory(directory, digestText(digest))
  return { digest, found: { bytes, directory } }
}

function childrenOf({ digest, found }: Visited): Digest[] {
  return (found?.directory.directories ?? []).map((child) => nodeDigest(child.digest, digest))
}

function nodeDigest(wire: re.Digest.$Properties | null | undefined, owner: Digest): Digest {
  return checkedDigest(owner.fn, wire?.hash ?? '', wire?.sizeBytes ?? 0, `an entry of ${digestText(owner)}`)
}

function tooLarge(root: Digest, message: string): Failure {
  return new Failure('invalid', `the tree is too large: ${message}`, { where: digestText(root) })
}
