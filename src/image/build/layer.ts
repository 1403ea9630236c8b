import { createWriteStream } from 'node:fs'
import { lstat, open, readdir, readlink } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { encodeHeader, endOfArchive, padding } from '../../archive/tar-header.ts'
import { Failure } from '../../core/failure.ts'
import { type ContentDigest, contentHash } from '../content-digest.ts'
import type { Descriptor } from '../manifest.ts'
import { ociLayerGzip } from '../media-types.ts'
import { readPieces } from '../pieces.ts'

/** An entry of a layer. Paths are absolute in the image. */
export type LayerEntry =
  | {
      readonly path: string
      readonly kind: 'file'
      readonly from: string
      readonly size: number
      readonly executable: boolean
    }
  | { readonly path: string; readonly kind: 'link'; readonly target: string }
  | { readonly path: string; readonly kind: 'directory' }

/** A layer that was written to a file. */
export interface WrittenLayer {
  readonly descriptor: Descriptor
  /** The digest of the uncompressed tar. */
  readonly diffId: ContentDigest
  readonly file: string
}

/** A layer of an image. */
export interface Layer extends WrittenLayer {
  /** For the image's history. */
  readonly comment: string
}

const gzipLevel = 6
const pieceBytes = 256 * 1024

/**
 * Writes a layer whose bytes depend only on its entries and the given time: entries in byte order, every folder before
 * its contents, owner 0:0, modes 0755 or 0644, the same time for all, and a gzip header without time or system.
 * @param mtime seconds since 1970
 */
export async function writeLayer(
  entries: readonly LayerEntry[],
  file: string,
  mtime: number,
  signal: AbortSignal,
): Promise<WrittenLayer> {
  const inside = contentHash()
  const outside = contentHash()
  let size = 0
  await pipeline(
    joined(tarBytes(withParents(entries), mtime)),
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        inside.update(chunk)
        yield chunk
      }
    },
    createGzip({ level: gzipLevel, chunkSize: pieceBytes }),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        const fixed = size === 0 ? plainGzipHeader(chunk) : chunk
        outside.update(fixed)
        size += fixed.byteLength
        yield fixed
      }
    },
    createWriteStream(file, { flags: 'wx' }),
    { signal },
  )
  const digest: ContentDigest = `sha256:${outside.digest('hex')}`
  return {
    descriptor: { mediaType: ociLayerGzip, digest, size },
    diffId: `sha256:${inside.digest('hex')}`,
    file,
  }
}

/**
 * The entries of a folder, as they should be in the image.
 * @param to absolute in the image
 * @param keep by path relative to the folder; false omits a file, or a folder with all its contents
 * @throws Failure 'invalid' for anything but a file, folder or link
 */
export async function folderEntries(
  folder: string,
  to: string,
  keep: (path: string) => boolean = () => true,
): Promise<LayerEntry[]> {
  const found: LayerEntry[] = []
  const walk = async (inner: string): Promise<void> => {
    const from = join(folder, inner)
    const path = inner === '' ? to : posix.join(to, inner)
    const facts = await lstat(from)
    if (facts.isDirectory()) {
      found.push({ path, kind: 'directory' })
      for (const name of await readdir(from)) {
        const next = inner === '' ? name : `${inner}/${name}`
        if (keep(next)) await walk(next)
      }
    } else if (facts.isFile())
      found.push({ path, kind: 'file', from, size: facts.size, executable: (facts.mode & 0o111) !== 0 })
    else if (facts.isSymbolicLink()) found.push({ path, kind: 'link', target: await readlink(from) })
    else
      throw new Failure(
        'invalid',
        'an image can contain files, folders and symbolic links, but this is something else',
        {
          where: from,
        },
      )
  }
  await walk('')
  return found
}

function withParents(entries: readonly LayerEntry[]): LayerEntry[] {
  const all = new Map<string, LayerEntry>()
  const put = (entry: LayerEntry): void => {
    const before = all.get(entry.path)
    if (before && (before.kind !== 'directory' || entry.kind !== 'directory'))
      throw new Failure('invalid', 'two entries have the same path in the image', { where: entry.path })
    if (entry.path !== '/') all.set(entry.path, entry)
  }
  for (const entry of entries) {
    assertNoWhiteout(entry)
    for (let parent = posix.dirname(entry.path); parent !== '/' && parent !== '.'; parent = posix.dirname(parent))
      put({ path: parent, kind: 'directory' })
    put(entry)
  }
  return [...all.values()].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
}

/** In a layer such a name would delete what is below (image-spec, layer.md, "Whiteouts"); docker builds it silently. */
function assertNoWhiteout(entry: LayerEntry): void {
  if (!entry.path.split('/').some((each) => each.startsWith('.wh.'))) return
  throw new Failure(
    'invalid',
    `"${entry.path}" cannot be a file of the image: names that begin with .wh. mark deletions`,
    {
      where: entry.kind === 'file' ? entry.from : entry.path,
      next: ['Rename it, or list the files beside it one by one.'],
    },
  )
}

/** Most files are small, and every piece takes the compressor a turn of another thread: they are joined into large ones. */
async function* joined(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let filling = Buffer.allocUnsafeSlow(pieceBytes)
  let used = 0
  for await (const piece of pieces)
    for (let at = 0; at < piece.byteLength; ) {
      const part = piece.subarray(at, at + pieceBytes - used)
      filling.set(part, used)
      used += part.byteLength
      at += part.byteLength
      if (used < pieceBytes) continue
      yield filling
      // The compressor may still read the last one.
      filling = Buffer.allocUnsafeSlow(pieceBytes)
      used = 0
    }
  if (used > 0) yield filling.subarray(0, used)
}

async function* tarBytes(entries: readonly LayerEntry[], mtime: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (const entry of entries) {
    const name = entry.path.slice(1)
    if (entry.kind === 'directory') yield encodeHeader({ name, type: 'directory', mode: 0o755, size: 0, mtime })
    else if (entry.kind === 'link')
      yield encodeHeader({ name, type: 'symlink', mode: 0o777, size: 0, mtime, target: entry.target })
    else yield* fileBytes(name, entry, mtime)
  }
  yield endOfArchive
}

async function* fileBytes(
  name: string,
  entry: Extract<LayerEntry, { kind: 'file' }>,
  mtime: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield encodeHeader({ name, type: 'file', mode: entry.executable ? 0o755 : 0o644, size: entry.size, mtime })
  let size = 0
  const handle = await open(entry.from, 'r')
  try {
    // One byte more than it should have, to see whether it grew.
    for await (const piece of readPieces(handle, 0, entry.size + 1)) {
      size += piece.byteLength
      yield piece
    }
  } finally {
    await handle.close()
  }
  if (size !== entry.size)
    throw new Failure('precondition', 'a file changed while it was added to the image', { where: entry.from })
  yield padding(entry.size)
}

/** RFC 1952: bytes 4-7 are a time (Node writes none), byte 9 the operating system: 255 is "unknown". */
function plainGzipHeader(chunk: Buffer): Buffer {
  const fixed = Buffer.from(chunk)
  fixed.fill(0, 4, 8)
  fixed[9] = 0xff
  return fixed
}
