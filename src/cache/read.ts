import { requestMetadataOf } from '../client/recorder.ts'
import { Failure, withoutStack } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { chunkBytesMax, smallBlobBytesMax } from '../core/limits.ts'
import { packZstd, packZstdStream } from '../wire/compress.ts'
import { decodeMessage } from '../wire/decode.ts'
import { parseReadName, type ReadName } from '../wire/resource.ts'
import { type Call, Code, RpcError, type Send } from '../wire/rpc.ts'
import { retryLater } from '../wire/status.ts'
import { absent } from './absent.ts'
import { encodeReadHead, readRequest } from './codec-stream.ts'
import { type CacheContext, computable, promptBytesMax } from './context.ts'
import { keepRead } from './holding.ts'
import type { OpenRead } from './reads.ts'

/** Which part of which blob, and how it is to be packed. */
export interface BlobRange extends Omit<ReadName, 'instance'> {
  /** Uncompressed bytes, 0..size. */
  readonly offset: number
  /** Where it ends, offset..size. */
  readonly end: number
}

/** A client that takes nothing of a compressed blob for so long, in milliseconds, gives its compressor up. */
const stalledMsMax = 60_000
/** The same when others wait for a compressor. */
const stalledMsMin = 10_000
const retryMs = 1_000

/** What a blob's reading needs of the call that it is for. */
export type Reader = Pick<Call, 'peer' | 'signal' | 'reserve' | 'release'>

/** Sends a piece of a blob, as Send does. @param sent called when nobody needs the piece any more */
export type SendPiece = (piece: Uint8Array, sent?: () => void) => void | Promise<void>

/** ByteStream.Read. */
export async function read(context: CacheContext, bytes: Buffer, call: Call, send: Send): Promise<void> {
  let sentBytes = 0
  try {
    const range = parseRead(context, bytes)
    const kept = keepRead(context, call, [range.digest])
    if (kept) await kept
    await readBlob(context, range, call, (piece, sent) => {
      sentBytes += piece.length
      return send(encodeReadHead(piece.length), sent ? { bytes: piece, sent } : { bytes: piece })
    })
  } finally {
    context.recorder?.traffic(requestMetadataOf(call), 0, sentBytes)
  }
}

/**
 * Sends a blob, or a part of one, in pieces; memory is reserved before each is read.
 * @throws Failure 'not-found' before the first piece when it is absent
 */
export function readBlob(context: CacheContext, range: BlobRange, call: Reader, send: SendPiece): Promise<void> {
  if (range.digest.size <= smallBlobBytesMax) return readSmall(context, range, call, send)
  if (range.compressor === 'identity') return readLarge(context, range, call, send)
  context.compressorsAwaited += 1
  return context.compressors(call.peer, () => {
    context.compressorsAwaited -= 1
    if (call.signal.aborted) throw cancelled()
    return readLarge(context, range, call, send)
  })
}

function cancelled(): RpcError {
  return withoutStack(() => new RpcError(Code.CANCELLED, 'the client has gone'))
}

function parseRead(context: CacheContext, bytes: Buffer): BlobRange {
  const { resourceName, readOffset, readLimit } = decodeMessage(readRequest, bytes)
  const name = parseReadName(resourceName)
  assertInstance(name.instance, context.instances)
  const { size } = computable(name.digest)
  if (readLimit < 0) throw new Failure('invalid', 'read_limit is negative', { where: resourceName })
  // Rule 9: what a limit would count in a compressed stream is not defined.
  if (readLimit !== 0 && name.compressor !== 'identity')
    throw new Failure('invalid', 'read_limit must be 0 for a compressed blob', { where: resourceName })
  // Rule 10.
  if (readOffset < 0 || readOffset > size)
    throw new Failure('out-of-range', `read_offset must be from 0 to ${size}`, { where: resourceName })
  const end = readLimit === 0 ? size : Math.min(size, readOffset + readLimit)
  return { ...name, offset: readOffset, end }
}

/** In one message where it fits into one: most blobs do. */
async function readSmall(context: CacheContext, range: BlobRange, call: Reader, send: SendPiece): Promise<void> {
  const { size } = range.digest
  if (size > promptBytesMax) await call.reserve(range.compressor === 'identity' ? size : 2 * size)
  const blob = await context.blobs.get(range.digest, (bytes) => context.memory.take(bytes))
  if (!blob) throw missed(context, range)
  context.counts.lookups('read', 1, 0)
  const part = range.end - range.offset === blob.length ? blob : blob.subarray(range.offset, range.end)
  const data = range.compressor === 'identity' ? part : await packZstd(part)
  for (let at = 0; at < data.length; at += chunkBytesMax) {
    const end = Math.min(at + chunkBytesMax, data.length)
    // Pieces leave in their order: when the last has left, all have.
    const sent = end === data.length ? () => context.memory.give(blob) : undefined
    const wait = sendPiece(context, data.subarray(at, end), send, sent)
    if (wait) await wait
  }
}

async function readLarge(context: CacheContext, range: BlobRange, call: Reader, send: SendPiece): Promise<void> {
  const open = context.reads.open()
  try {
    // Opening reads the first piece.
    await call.reserve(chunkBytesMax)
    const source = await openRange(context, range)
    if (!source) throw missed(context, range)
    context.counts.lookups('read', 1, 0)
    await sendPieces(context, range, source, { call, send, open })
  } finally {
    open.end()
  }
}

interface Answering {
  readonly call: Reader
  readonly send: SendPiece
  readonly open: OpenRead
}

/**
 * Memory is reserved for each piece before it is read (for the first by whoever opened the blob),
 * and the next one is read when the client has taken enough.
 */
async function sendPieces(
  context: CacheContext,
  { compressor }: BlobRange,
  source: AsyncIterable<Uint8Array>,
  { call, send, open }: Answering,
): Promise<void> {
  const compressed = compressor !== 'identity'
  const pieces = (compressed ? packZstdStream(source) : source)[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await pieces.next()
      if (done) return
      const wait = sendPiece(context, value, send, compressed ? undefined : () => context.memory.give(value))
      call.release()
      if (wait) await open.taken(compressed ? inTime(context, wait) : wait)
      await call.reserve(chunkBytesMax)
    }
  } finally {
    await pieces.return?.()
  }
}

/** Compressors are few: who holds one and takes nothing has to come back, at the offset where it was. */
async function inTime(context: CacheContext, wait: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  let stalledMs = 0
  let cancel = context.clock.after(stalledMsMin, look)
  function look(): void {
    stalledMs += stalledMsMin
    if (stalledMs < stalledMsMax && context.compressorsAwaited === 0) cancel = context.clock.after(stalledMsMin, look)
    else reject(retryLater(`the client read nothing of the blob for ${stalledMs} ms`, retryMs))
  }
  await Promise.race([wait, promise]).finally(() => cancel())
}

async function openRange(context: CacheContext, range: BlobRange): Promise<AsyncIterable<Uint8Array> | undefined> {
  const { digest, offset, end, compressor } = range
  // The store's ranges are never empty; still, an absent blob is NOT_FOUND for an empty range too.
  if (offset === end) return (await context.blobs.findMissing([digest])).length === 0 ? nothing() : undefined
  const limits = end === digest.size ? { offset } : { offset, limit: end - offset }
  // A compressor keeps what it is given for longer than is known here.
  if (compressor !== 'identity') return context.blobs.read(digest, limits)
  return context.blobs.read(digest, limits, (bytes) => context.memory.take(bytes))
}

async function* nothing(): AsyncIterable<Uint8Array> {
  // No pieces.
}

/** @param sent called when nobody needs the piece any more */
function sendPiece(context: CacheContext, piece: Uint8Array, send: SendPiece, sent?: () => void): void | Promise<void> {
  context.counts.sent(piece.length)
  return send(piece, sent)
}

function missed(context: CacheContext, { digest }: BlobRange): Failure {
  context.counts.lookups('read', 0, 1)
  return absent(context, digest, 'blob')
}
