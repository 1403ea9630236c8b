import { Failure } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { chunkBytesMax, smallBlobBytesMax } from '../core/limits.ts'
import { packZstd, packZstdStream } from '../wire/compress.ts'
import { decodeMessage } from '../wire/decode.ts'
import { parseReadName, type ReadName } from '../wire/resource.ts'
import type { Send } from '../wire/rpc.ts'
import { encodeReadResponse, readRequest } from './codec-stream.ts'
import { computable, type Room } from './room.ts'

/** Which part of which blob, and how it is to be packed. */
interface Wanted extends ReadName {
  /** Uncompressed bytes, 0..size. */
  readonly offset: number
  /** Where it ends, offset..size. */
  readonly end: number
}

/** ByteStream.Read. */
export async function read(room: Room, bytes: Buffer, send: Send): Promise<void> {
  const wanted = parseRead(room, bytes)
  if (wanted.digest.size <= smallBlobBytesMax) return readSmall(room, wanted, send)
  return readLarge(room, wanted, send)
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
  const blob = await room.blobs.get(wanted.digest)
  if (!blob) throw absent(room, wanted)
  room.counts.blobs(1, 0)
  const part = wanted.end - wanted.offset === blob.length ? blob : blob.subarray(wanted.offset, wanted.end)
  const data = wanted.compressor === 'identity' ? part : await packZstd(part)
  for (let at = 0; at < data.length; at += chunkBytesMax)
    await sendPiece(room, data.length <= chunkBytesMax ? data : data.subarray(at, at + chunkBytesMax), send)
}

async function readLarge(room: Room, wanted: Wanted, send: Send): Promise<void> {
  const pieces = await openRange(room, wanted)
  if (!pieces) throw absent(room, wanted)
  room.counts.blobs(1, 0)
  const stream = wanted.compressor === 'identity' ? pieces : packZstdStream(pieces)
  for await (const piece of stream) {
    const wait = sendPiece(room, piece, send)
    if (wait) await wait
  }
}

async function openRange(room: Room, { digest, offset, end }: Wanted): Promise<AsyncIterable<Uint8Array> | undefined> {
  // The store's ranges are never empty; still, an absent blob is NOT_FOUND for an empty range too.
  if (offset === end) return (await room.blobs.findMissing([digest])).length === 0 ? nothing() : undefined
  return room.blobs.read(digest, end === digest.size ? { offset } : { offset, limit: end - offset })
}

async function* nothing(): AsyncIterable<Uint8Array> {
  // No pieces.
}

function sendPiece(room: Room, piece: Uint8Array, send: Send): void | Promise<void> {
  room.counts.sent(piece.length)
  return send(encodeReadResponse(piece))
}

function absent(room: Room, { digest }: Wanted): Failure {
  room.counts.blobs(0, 1)
  return new Failure('not-found', 'there is no such blob', { where: `${digest.hash}/${digest.size}` })
}
