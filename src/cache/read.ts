import { digestText } from '../core/digest.ts'
import { Failure, withoutStack } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { chunkBytesMax, smallBlobBytesMax } from '../core/limits.ts'
import { packZstd, packZstdStream } from '../wire/compress.ts'
import { decodeMessage } from '../wire/decode.ts'
import { parseReadName, type ReadName } from '../wire/resource.ts'
import type { Call, Send } from '../wire/rpc.ts'
import { retryLater } from '../wire/status.ts'
import { encodeReadHead, readRequest } from './codec-stream.ts'
import { computable, type Room } from './room.ts'
import { promptBytesMax } from './turns.ts'

/** Which part of which blob, and how it is to be packed. */
interface Wanted extends ReadName {
  /** Uncompressed bytes, 0..size. */
  readonly offset: number
  /** Where it ends, offset..size. */
  readonly end: number
}

/** A client that takes nothing of a compressed blob for so long, in milliseconds, gives its compressor up. */
const stalledMsMax = 60_000
const retryMs = 1_000

/** ByteStream.Read. */
export async function read(room: Room, bytes: Buffer, call: Call, send: Send): Promise<void> {
  const wanted = parseRead(room, bytes)
  if (wanted.digest.size <= promptBytesMax) return readSmall(room, wanted, send)
  if (wanted.compressor !== 'identity' && wanted.digest.size > smallBlobBytesMax)
    return room.compressors(call.peer, () => readInTurn(room, wanted, call, send))
  return readInTurn(room, wanted, call, send)
}

async function readInTurn(room: Room, wanted: Wanted, call: Call, send: Send): Promise<void> {
  const leave = await room.turns.take(call)
  const sendOne: Send = (message, rest) => {
    const wait = send(message, rest)
    leave()
    return wait
  }
  try {
    await (wanted.digest.size <= smallBlobBytesMax ? readSmall : readLarge)(room, wanted, sendOne)
  } finally {
    leave()
  }
}

function parseRead(room: Room, bytes: Buffer): Wanted {
  const { resourceName, readOffset, readLimit } = decodeMessage(readRequest, bytes)
  const name = parseReadName(resourceName)
  assertInstance(name.instance, room.instances)
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
async function readSmall(room: Room, wanted: Wanted, send: Send): Promise<void> {
  const blob = await room.blobs.get(wanted.digest, (bytes) => room.memory.take(bytes))
  if (!blob) throw absent(room, wanted)
  room.counts.blobs(1, 0)
  const part = wanted.end - wanted.offset === blob.length ? blob : blob.subarray(wanted.offset, wanted.end)
  const data = wanted.compressor === 'identity' ? part : await packZstd(part)
  for (let at = 0; at < data.length; at += chunkBytesMax) {
    const end = Math.min(at + chunkBytesMax, data.length)
    // Pieces leave in their order: when the last has left, all have.
    const sent = end === data.length ? () => room.memory.give(blob) : undefined
    await sendPiece(room, data.subarray(at, end), send, sent)
  }
}

async function readLarge(room: Room, wanted: Wanted, send: Send): Promise<void> {
  const pieces = await openRange(room, wanted)
  if (!pieces) throw absent(room, wanted)
  room.counts.blobs(1, 0)
  const compressed = wanted.compressor !== 'identity'
  for await (const piece of compressed ? packZstdStream(pieces) : pieces) {
    const wait = sendPiece(room, piece, send, compressed ? undefined : () => room.memory.give(piece))
    if (wait) await (compressed ? inTime(room, wait) : wait)
  }
}

/** Compressors are few: who holds one and takes nothing has to come back, at the offset where it was. */
async function inTime(room: Room, wait: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const cancel = room.clock.after(stalledMsMax, () =>
    reject(retryLater(`nothing of the blob was taken for ${stalledMsMax} ms`, retryMs)),
  )
  await Promise.race([wait, promise]).finally(cancel)
}

async function openRange(room: Room, wanted: Wanted): Promise<AsyncIterable<Uint8Array> | undefined> {
  const { digest, offset, end, compressor } = wanted
  // The store's ranges are never empty; still, an absent blob is NOT_FOUND for an empty range too.
  if (offset === end) return (await room.blobs.findMissing([digest])).length === 0 ? nothing() : undefined
  const range = end === digest.size ? { offset } : { offset, limit: end - offset }
  // A compressor keeps what it is given for longer than is known here.
  if (compressor !== 'identity') return room.blobs.read(digest, range)
  return room.blobs.read(digest, range, (bytes) => room.memory.take(bytes))
}

async function* nothing(): AsyncIterable<Uint8Array> {
  // No pieces.
}

/** @param sent called when nobody needs the piece any more */
function sendPiece(room: Room, piece: Uint8Array, send: Send, sent?: () => void): void | Promise<void> {
  room.counts.sent(piece.length)
  return send(encodeReadHead(piece.length), sent ? { bytes: piece, sent } : { bytes: piece })
}

function absent(room: Room, { digest }: Wanted): Failure {
  room.counts.blobs(0, 1)
  return withoutStack(() => new Failure('not-found', 'there is no such blob', { where: digestText(digest) }))
}
