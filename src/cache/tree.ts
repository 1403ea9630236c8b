import { type Digest, digestKey, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { smallBlobBytesMax, treeDirectoriesMax } from '../core/limits.ts'
import type { Blobs } from '../store/blobs.ts'
import { type Cursor, cursorOf, readTag, readVarint, skipField, wireBytes } from './cursor.ts'
import { decodeDirectory, directoryBytesMax, fileDigests } from './directories.ts'

/** Tag and length of a field take at most this many bytes. */
const headBytesMax = 20
const rootField = 1
const childrenField = 2

/**
 * The files that a Tree blob refers to, each once; undefined when the blob is absent. The
 * directories of a Tree stand in it and need no blobs of their own (remote_execution.proto,
 * OutputDirectory.tree_digest). The blob is read in pieces: of a large Tree only one
 * Directory is in memory at a time.
 * @throws Failure 'invalid' when it is not a Tree
 */
export async function treeFiles(blobs: Blobs, tree: Digest): Promise<Digest[] | undefined> {
  const pieces = await open(blobs, tree)
  if (!pieces) return undefined
  const files = new Map<string, Digest>()
  for await (const bytes of directoriesOf(pieces, tree)) {
    for (const digest of fileDigests(decodeDirectory(bytes, tree), tree)) files.set(digestKey(digest), digest)
    if (files.size > treeDirectoriesMax) throw noTree(tree, `it has more than ${treeDirectoriesMax} files`)
  }
  return [...files.values()]
}

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

async function open(blobs: Blobs, tree: Digest): Promise<Pieces | undefined> {
  if (tree.size > smallBlobBytesMax) return blobs.read(tree)
  const bytes = await blobs.get(tree)
  return bytes && [bytes]
}

/** The bytes of each Directory of a Tree, which comes in any pieces. */
async function* directoriesOf(pieces: Pieces, tree: Digest): AsyncGenerator<Uint8Array> {
  let held: Buffer = Buffer.alloc(0)
  for await (const piece of pieces) {
    const fresh = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
    held = held.length === 0 ? fresh : Buffer.concat([held, fresh])
    const { directories, used } = split(held, headBytesMax, tree)
    yield* directories
    held = held.subarray(used)
  }
  const { directories, used } = split(held, 0, tree)
  yield* directories
  if (used !== held.length) throw noTree(tree, 'it is cut off')
}

/**
 * Takes whole fields off the front.
 * @param margin bytes that have to be there for a field to be looked at; 0 at the end
 */
function split(bytes: Buffer, margin: number, tree: Digest): { directories: Buffer[]; used: number } {
  const directories: Buffer[] = []
  const cursor = cursorOf(bytes)
  let used = 0
  try {
    while (cursor.at < bytes.length && cursor.at + margin <= bytes.length) {
      const tag = readTag(cursor)
      if ((tag & 7) === wireBytes) {
        const length = fieldLengthAt(cursor, tree)
        if (length === undefined) break
        const field = tag >>> 3
        if (field === rootField || field === childrenField)
          directories.push(bytes.subarray(cursor.at, cursor.at + length))
        cursor.at += length
      } else skipField(cursor, tag)
      used = cursor.at
    }
  } catch (error) {
    throw error instanceof Failure ? error : noTree(tree, 'it is malformed', error)
  }
  return { directories, used }
}

/** The length of the field that begins here; undefined when its end is not here yet. */
function fieldLengthAt(cursor: Cursor, tree: Digest): number | undefined {
  const length = readVarint(cursor)
  if (length < 0 || length > directoryBytesMax) throw noTree(tree, 'a directory in it is too large')
  return cursor.at + length <= cursor.end ? length : undefined
}

function noTree(tree: Digest, why: string, cause?: unknown): Failure {
  return new Failure('invalid', `the blob cannot be read as a Tree: ${why}`, { where: digestText(tree), cause })
}
