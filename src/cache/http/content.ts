import { evenPieces } from '../../core/even-pieces.ts'
import { smallBlobBytesMax } from '../../core/limits.ts'
import { unpackZstdOfAnySize } from '../../wire/compress.ts'
import { type Exchange, HttpError } from '../../wire/http.ts'
import type { CacheContext } from '../context.ts'
import { inTurn } from '../write-stream.ts'

/** The body of a request without what it was packed in for the way. */
export interface Content {
  /** Bytes that it has; undefined where only its end will tell. */
  readonly size: number | undefined
  readonly pieces: AsyncIterable<Buffer>
}

/**
 * The content of a request's body, of which nothing is read before it is asked for.
 * @param sizeMax bytes; what has more is refused before it is read, or where it passes the bound
 * @throws HttpError 413, 415
 */
export function contentOf(context: CacheContext, exchange: Exchange, sizeMax: number): Content {
  const { contentLength } = exchange
  const encoding = exchange.header('content-encoding')?.toLowerCase() ?? 'identity'
  if (encoding !== 'identity' && encoding !== 'zstd')
    throw new HttpError(415, 'a body may be sent as it is, or with content-encoding: zstd', {
      'accept-encoding': 'zstd',
    })
  if (contentLength !== undefined && contentLength > sizeMax) throw tooLarge(sizeMax)
  const received = counted(context, exchange.body())
  if (encoding === 'identity') return { size: contentLength, pieces: bounded(received, sizeMax) }
  const unpacked = inTurn(context, () => unpackZstdOfAnySize(received))
  return { size: undefined, pieces: bounded(unpacked, sizeMax) }
}

/**
 * A content that is whole in memory, its bytes held in the connection's account.
 * @param sizeMax what it may have where that is not known; the bound that `contentOf` was given
 */
export async function gather(exchange: Exchange, content: Content, sizeMax: number): Promise<Buffer> {
  const bytesMax = content.size ?? sizeMax
  await exchange.hold(bytesMax)
  const whole = Buffer.allocUnsafe(bytesMax)
  let filled = 0
  for await (const piece of content.pieces) filled += piece.copy(whole, filled)
  return whole.subarray(0, filled)
}

/** Cuts a stream into pieces of 1 MiB, the last one shorter. A piece is only good until the next one is asked for. */
export async function* inMegabytes(exchange: Exchange, content: Content): AsyncGenerator<Buffer> {
  const bytesMax = Math.min(content.size ?? smallBlobBytesMax, smallBlobBytesMax)
  await exchange.hold(bytesMax)
  yield* evenPieces(content.pieces, Buffer.allocUnsafe(bytesMax))
}

async function* counted(context: CacheContext, pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    context.counts.received(piece.length)
    yield piece
  }
}

async function* bounded(pieces: AsyncIterable<Buffer>, sizeMax: number): AsyncGenerator<Buffer> {
  let size = 0
  for await (const piece of pieces) {
    size += piece.length
    if (size > sizeMax) throw tooLarge(sizeMax)
    yield piece
  }
}

function tooLarge(sizeMax: number): HttpError {
  return new HttpError(413, `the body is larger than the ${sizeMax} bytes that this server accepts`)
}

/** Bytes that a blob may have: the configured bound, or all that the store can hold. */
export function blobBytesMax({ blobSizeMax, evictions }: CacheContext): number {
  return blobSizeMax || (evictions?.capacityBytes ?? Number.MAX_SAFE_INTEGER)
}

/** The same for what is stored in pieces before it is whole: it must not push out its own first ones. */
export function piecesBytesMax(context: CacheContext): number {
  return Math.min(blobBytesMax(context), Math.floor((context.evictions?.capacityBytes ?? Number.MAX_SAFE_INTEGER) / 2))
}
