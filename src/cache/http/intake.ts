import type { Digest, DigestFunction } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { digestOf } from '../../core/hash.ts'
import { smallBlobBytesMax } from '../../core/limits.ts'
import type { Exchange } from '../../wire/http.ts'
import { storeStream } from '../upload-stream.ts'
import type { HttpCache } from './cache.ts'
import { type Content, gather, inMegabytes } from './content.ts'

/** How pieces are hashed that no client names. */
const pieceFunction = 'sha256'

/**
 * Stores a content in blobs of 1 MiB: for what has no digest before it is whole. Each is there when
 * the next one comes; those of a content that breaks off go as anything goes that nobody uses.
 */
export async function storePieces(
  { context, uploads }: HttpCache,
  exchange: Exchange,
  content: Content,
): Promise<Digest[]> {
  const digests: Digest[] = []
  for await (const piece of inMegabytes(exchange, content)) {
    const digest = digestOf(pieceFunction, piece)
    await uploads.withRoom(() => context.blobs.put(digest, piece))
    digests.push(digest)
  }
  return digests
}

/**
 * Stores a content under the hash that the client says it has.
 * @throws Failure 'invalid' when it has another; nothing is stored under it then
 */
export async function storeBlob(
  cache: HttpCache,
  exchange: Exchange,
  content: Content,
  fn: DigestFunction,
  hash: string,
): Promise<void> {
  const { context, uploads } = cache
  const known = await context.blobs.locate(fn, hash)
  // An answer before the end of the body would leave some clients with a connection that they think is free.
  if (known && (await context.blobs.findMissing([known])).length === 0) return readToEnd(content)
  const { size } = content
  if (size === undefined) return storeUnmeasured(cache, exchange, content, fn, hash)
  const digest = { fn, hash, size }
  if (size > smallBlobBytesMax) return storeStream(uploads, 'http', exchange.peer, digest, content.pieces)
  const bytes = await gather(exchange, content, size)
  await uploads.withRoom(() => context.blobs.put(digest, bytes))
}

async function readToEnd({ pieces }: Content): Promise<void> {
  const iterator = pieces[Symbol.asyncIterator]()
  while (!(await iterator.next()).done);
}

/** The store wants to know a blob's size when its writing begins: it is kept in pieces until that is known. */
async function storeUnmeasured(
  cache: HttpCache,
  exchange: Exchange,
  content: Content,
  fn: DigestFunction,
  hash: string,
): Promise<void> {
  const pieces = await storePieces(cache, exchange, content)
  const size = pieces.reduce((sum, piece) => sum + piece.size, 0)
  await storeStream(cache.uploads, 'http', exchange.peer, { fn, hash, size }, joined(cache, pieces))
}

async function* joined({ context }: HttpCache, pieces: readonly Digest[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    const bytes = await context.blobs.get(piece)
    if (!bytes)
      throw new Failure('exhausted', 'the cache has no room for a body of unknown length', {
        next: ['Give the cache more room (--cache-size, or store.size in its configuration).'],
      })
    yield bytes
  }
}
