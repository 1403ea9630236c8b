import type { Digest } from '../../core/digest.ts'
import { smallBlobBytesMax } from '../../core/limits.ts'
import { type Exchange, HttpError, type HttpFields } from '../../wire/http.ts'
import type { CacheContext } from '../context.ts'
import { readBlob } from '../read.ts'

/** Below this, packing a blob for the way gains nothing. */
const packedBytesMin = 1024
const octets = { 'content-type': 'application/octet-stream' }

/** From `offset` up to `end`, of `size` bytes. */
interface Range {
  readonly offset: number
  readonly end: number
}

/** Answers GET or HEAD with a blob that is there, or the part of it that was asked for, packed where the client takes that. */
export async function answerBlob(context: CacheContext, exchange: Exchange, digest: Digest): Promise<void> {
  const fields = { ...octets, etag: `"${digest.hash}"`, vary: 'accept-encoding' }
  const range = rangeOf(exchange, digest.size)
  const packed = !range && digest.size >= packedBytesMin && takesZstd(exchange)
  if (packed && exchange.method === 'GET') exchange.respond(200, { ...fields, 'content-encoding': 'zstd' })
  else respondSized(exchange, digest.size, range, fields)
  if (exchange.method === 'HEAD') return
  const { offset, end } = range ?? { offset: 0, end: digest.size }
  const compressor = packed ? 'zstd' : 'identity'
  await readBlob(context, { digest, compressor, offset, end }, exchange, (piece, sent) => exchange.write(piece, sent))
}

/** Answers GET or HEAD with what lies in pieces of 1 MiB. */
export async function answerPieces(
  context: CacheContext,
  exchange: Exchange,
  pieces: readonly Digest[],
  more: HttpFields,
): Promise<void> {
  const size = pieces.reduce((sum, piece) => sum + piece.size, 0)
  const range = rangeOf(exchange, size)
  respondSized(exchange, size, range, { ...octets, ...more })
  if (exchange.method === 'HEAD') return
  const { offset, end } = range ?? { offset: 0, end: size }
  for (let at = Math.floor(offset / smallBlobBytesMax); at * smallBlobBytesMax < end; at += 1) {
    const digest = pieces[at]
    if (!digest) return
    const start = at * smallBlobBytesMax
    const part = { offset: Math.max(offset - start, 0), end: Math.min(end - start, digest.size) }
    await readBlob(context, { digest, compressor: 'identity', ...part }, exchange, (piece, sent) =>
      exchange.write(piece, sent),
    )
    exchange.release()
  }
}

/** Answers with bytes that are at hand. */
export async function answerBytes(
  exchange: Exchange,
  bytes: Uint8Array,
  fields: HttpFields = octets,
  status = 200,
): Promise<void> {
  exchange.respond(status, { ...fields, 'content-length': String(bytes.length) })
  if (bytes.length > 0) await exchange.write(bytes)
}

/** An answer without a body. */
export function answerEmpty(exchange: Exchange, status: number, fields: HttpFields = {}): void {
  exchange.respond(status, status === 204 ? fields : { 'content-length': '0', ...fields })
}

function respondSized(exchange: Exchange, size: number, range: Range | undefined, fields: HttpFields): void {
  const ranged = { ...fields, 'accept-ranges': 'bytes' }
  if (!range) exchange.respond(200, { ...ranged, 'content-length': String(size) })
  else
    exchange.respond(206, {
      ...ranged,
      'content-length': String(range.end - range.offset),
      'content-range': `bytes ${range.offset}-${range.end - 1}/${size}`,
    })
}

/**
 * A single range (RFC 9110, section 14); several, and what is not a range, mean the whole, as does a
 * condition for one, since what stands under a key may have been replaced.
 * @throws HttpError 416
 */
function rangeOf(exchange: Exchange, size: number): Range | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(exchange.header('range') ?? '') ?? []
  if ((first === '' && last === '') || exchange.header('if-range') !== undefined) return undefined
  const offset = first === '' ? Math.max(size - Number(last), 0) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(Number(last) + 1, size)
  if (offset < end) return { offset, end }
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  throw new HttpError(416, `the range lies outside the ${size} bytes`, { 'content-range': `bytes */${size}` })
}

/** Does the client say that it takes zstd, and not with weight 0? */
function takesZstd(exchange: Exchange): boolean {
  const offers = (exchange.header('accept-encoding') ?? '').split(',')
  return offers.some((offer) => /^\s*zstd\s*(;\s*q\s*=\s*(0?\.\d*[1-9]\d*|1(\.0*)?))?\s*$/i.test(offer))
}
