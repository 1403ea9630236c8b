import type { Digest, DigestFunction } from '../core/digest.ts'
import { evenPieces } from '../core/even-pieces.ts'
import { Failure } from '../core/failure.ts'
import { createHasher, digestOf, type Hasher } from '../core/hash.ts'
import { smallBlobBytesMax } from '../core/limits.ts'
import { Code } from '../wire/rpc.ts'
import { AtOrigin, inconsistent } from './at-origin.ts'
import type { AssetCache } from './cache.ts'
import { type Checksum, onlyOf } from './checksum.ts'
import type { Body } from './origin.ts'

/** The hash of temporary pieces, which no client names. */
const pieceFunction = 'sha256'

export interface Expected {
  /** The digest function for the blob. */
  readonly fn: DigestFunction
  /** One of them has to match; if empty, any content is accepted. */
  readonly checksums: readonly Checksum[]
}

export interface Stored {
  readonly digest: Digest
  /** Those of the expected checksums that it has been found to match. */
  readonly checksums: readonly Checksum[]
}

/**
 * Stores content under its digest once it has turned out to be as expected.
 * @param client whose upload it counts as
 * @throws AtOrigin ABORTED for other content, RESOURCE_EXHAUSTED if it is too large; what the body throws
 */
export async function storeBody(cache: AssetCache, client: string, body: Body, expected: Expected): Promise<Stored> {
  const only = onlyOf(expected.checksums, expected.fn)
  const { size } = body
  if (only && size !== undefined && size > smallBlobBytesMax) {
    assertFits(size, cache.blobBytesMax)
    const digest = { ...only, size }
    await streamed(cache, client, digest, body)
    return { digest, checksums: [only] }
  }
  if (size !== undefined) assertFits(size, cache.piecesBytesMax)
  return unmeasured(cache, client, body, expected)
}

/** Content whose digest is known in advance. */
async function streamed(cache: AssetCache, client: string, digest: Digest, body: Body): Promise<void> {
  try {
    await cache.storeStream(client, digest, body.pieces)
  } catch (error) {
    if (error instanceof Failure && error.kind === 'invalid') throw mismatch(digest.fn, error)
    throw error
  }
}

/** A store needs a blob's digest when writing begins: the content is kept in pieces until the digest is known. */
async function unmeasured(cache: AssetCache, client: string, body: Body, { fn, checksums }: Expected): Promise<Stored> {
  const hashers = new Map<DigestFunction, Hasher>(
    [fn, ...checksums.map((each) => each.fn)].map((each) => [each, createHasher(each)]),
  )
  const pieces: Digest[] = []
  let size = 0
  let last: Buffer | undefined
  for await (const piece of inMegabytes(body, cache.piecesBytesMax)) {
    for (const hasher of hashers.values()) hasher.update(piece)
    size += piece.length
    if (piece.length < smallBlobBytesMax && pieces.length === 0) last = Buffer.from(piece)
    else pieces.push(await storedPiece(cache, piece))
  }
  const hashes = new Map([...hashers].map(([each, hasher]) => [each, hasher.hex()]))
  const held = checksums.filter((each) => hashes.get(each.fn) === each.hash)
  if (checksums.length > 0 && held.length === 0) throw mismatch(checksums.map((each) => each.fn).join(', '))
  const digest: Digest = { fn, hash: hashes.get(fn) ?? '', size }
  if (pieces.length === 0) await cache.withRoom(() => cache.blobs.put(digest, last ?? new Uint8Array(0)))
  else if ((await cache.blobs.findMissing([digest])).length > 0)
    await cache.storeStream(client, digest, joined(cache, pieces))
  return { digest, checksums: held }
}

async function storedPiece(cache: AssetCache, piece: Buffer): Promise<Digest> {
  const digest = digestOf(pieceFunction, piece)
  await cache.withRoom(() => cache.blobs.put(digest, piece))
  return digest
}

/** A piece is only valid until the next one is requested. */
function inMegabytes({ size: announced, pieces }: Body, sizeMax: number): AsyncGenerator<Buffer> {
  // At least one byte, to notice content that arrives although none was announced.
  const bytesMax = Math.min(Math.max(announced ?? smallBlobBytesMax, 1), smallBlobBytesMax)
  return evenPieces(fitting(pieces, sizeMax), Buffer.allocUnsafe(bytesMax))
}

async function* fitting(pieces: AsyncIterable<Buffer>, sizeMax: number): AsyncGenerator<Buffer> {
  let size = 0
  for await (const piece of pieces) {
    size += piece.length
    assertFits(size, sizeMax)
    yield piece
  }
}

async function* joined({ blobs }: AssetCache, pieces: readonly Digest[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    const bytes = await blobs.get(piece)
    if (!bytes)
      throw new Failure('exhausted', 'the cache has no room for a download whose digest is not known', {
        next: ['Give the cache more room (--cache-size, or store.size in its configuration).'],
      })
    yield bytes
  }
}

function assertFits(size: number, sizeMax: number): void {
  if (size > sizeMax)
    throw new AtOrigin(Code.RESOURCE_EXHAUSTED, `the content has more than the ${sizeMax} bytes that are taken here`)
}

function mismatch(functions: string, cause?: unknown): AtOrigin {
  return inconsistent(`the content has another checksum (${functions}) than was asked for`, cause)
}
