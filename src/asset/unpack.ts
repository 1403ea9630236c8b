import { compressionOf, expanded, expansionTo } from '../archive/expand.ts'
import { type TarEntry, tarEntries } from '../archive/tar-entries.ts'
import type { Digest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { Code } from '../wire/rpc.ts'
import { AtOrigin, inconsistent } from './at-origin.ts'
import type { AssetCache } from './cache.ts'
import { storeBody } from './intake.ts'
import { emptyFolder, type Folder, type Node, nodeAt, put, segmentsOf, storeDirectories } from './tree.ts'

/** Entries per archive. */
const entriesMax = 100_000

/**
 * Makes a directory from an archive in the cache: a tar file, plain or compressed with gzip or zstd. Executable bits
 * and link targets are kept; all other metadata is dropped.
 * @param directory the folder in it that is wanted; empty for all
 * @param client whose uploads the files count as
 * @returns the digest of its root, with the archive's digest function
 * @throws AtOrigin ABORTED for what is not such an archive, or a hostile one, NOT_FOUND if it has no such folder
 */
export async function unpack(
  cache: AssetCache,
  client: string,
  archive: Digest,
  directory: string,
  signal: AbortSignal,
): Promise<Digest> {
  const pieces = await cache.blobs.read(archive)
  if (!pieces) throw new Failure('exhausted', 'the cache has no room for the archive and its contents')
  try {
    const root = await foldersOf(cache, client, archive, pieces, signal)
    const request = nodeAt(root, segmentsOf(directory))
    if (request?.kind === 'folder')
      return await storeDirectories(request, archive.fn, (digest, bytes) =>
        cache.withRoom(() => cache.blobs.put(digest, bytes)),
      )
  } catch (error) {
    if (error instanceof Failure && (error.kind === 'invalid' || error.kind === 'corrupt'))
      throw inconsistent(`the content cannot be made a directory: ${error.message}`, error)
    throw error
  }
  throw new AtOrigin(Code.NOT_FOUND, `the archive has no folder "${directory.slice(0, 200)}"`)
}

async function foldersOf(
  cache: AssetCache,
  client: string,
  { fn }: Digest,
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Folder> {
  const root = emptyFolder()
  let count = 0
  for await (const entry of tarEntries(expandedTar(pieces, cache.piecesBytesMax), 'the archive')) {
    signal.throwIfAborted()
    count += 1
    if (count > entriesMax) throw new Failure('invalid', `the archive has more than ${entriesMax} entries`)
    const segments = segmentsOf(entry.name)
    const node = await nodeOf(entry, root, async () => {
      const body = { size: entry.size, pieces: asBuffers(entry.content) }
      return (await storeBody(cache, client, body, { fn, checksums: [] })).digest
    })
    if (segments.length > 0) put(root, segments, node)
    else if (node.kind !== 'folder') throw new Failure('invalid', 'an entry has no name')
  }
  return root
}

/** @param store stores the entry's content */
async function nodeOf(entry: TarEntry, root: Folder, store: () => Promise<Digest>): Promise<Node> {
  const isFile = entry.flag === '0' || entry.flag === '7'
  // Before POSIX, a folder was a file whose name ends with a slash.
  if (entry.flag === '5' || (isFile && entry.name.endsWith('/'))) return emptyFolder()
  if (isFile) return { kind: 'file', digest: await store(), executable: (entry.mode & 0o100) !== 0 }
  if (entry.flag === '2') return { kind: 'link', target: checkedTarget(entry) }
  // A hard link: another name for an earlier file.
  const first = entry.flag === '1' ? nodeAt(root, segmentsOf(entry.target)) : undefined
  if (first?.kind === 'file') return first
  throw new Failure('invalid', `the archive has an entry of type ${JSON.stringify(entry.flag)}`, {
    where: entry.name.slice(0, 200),
  })
}

/** A link may point anywhere, as in any input: whoever restores it has to confine it. */
function checkedTarget({ name, target }: TarEntry): string {
  if (target !== '' && !target.includes('\0')) return target
  throw new Failure('invalid', 'the archive has a link without a target', { where: name.slice(0, 200) })
}

async function* expandedTar(pieces: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]()
  try {
    const first = await iterator.next()
    if (first.done) throw new Failure('corrupt', 'the archive is empty')
    const all = async function* (): AsyncGenerator<Uint8Array> {
      yield first.value
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value
    }
    yield* expanded(all(), compressionOf(first.value), 'the archive', expansionTo(bytesMax))
  } finally {
    await iterator.return?.()
  }
}

async function* asBuffers(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const { buffer, byteOffset, byteLength } of pieces) yield Buffer.from(buffer, byteOffset, byteLength)
}
