import { requestMetadataOf } from '../client/recorder.ts'
import { Failure } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { smallBlobBytesMax } from '../core/limits.ts'
import { unpackZstd } from '../wire/compress.ts'
import { decodeMessage } from '../wire/decode.ts'
import { bytestream } from '../wire/proto.ts'
import { parseWriteName, type WriteName } from '../wire/resource.ts'
import type { Call, Messages } from '../wire/rpc.ts'
import { encodeWriteResponse, type WriteRequest, writeRequest } from './codec-stream.ts'
import { assertBlobSize, type CacheContext, computable, promptBytesMax } from './context.ts'
import { finderOf, holderOf } from './holding.ts'
import type { Uploads } from './uploads.ts'
import { streamed } from './write-stream.ts'

/** The -1 of a compressed upload that ended early because the blob was there (rule 7). */
const committedEarly = -1

/**
 * ByteStream.Write. Nearly all uploads are a single message (Bazel sends every small blob
 * so), which goes to the store at once; what comes in pieces is streamed and can be resumed.
 */
export async function write(
  context: CacheContext,
  uploads: Uploads,
  requests: Messages,
  call: Call,
): Promise<Uint8Array> {
  const messages = requests[Symbol.asyncIterator]()
  const { done, value } = await messages.next()
  if (done) throw new Failure('invalid', 'the upload has no message')
  const first = decodeMessage(writeRequest, value)
  const name = checkedName(context, first.resourceName)
  assertBlobSize(name.digest, context.blobSizeMax)
  if (isWhole(first, name)) return encodeWriteResponse(await whole(context, uploads, name, first, call))
  return encodeWriteResponse(await inPieces(context, uploads, { name, first, messages, call }))
}

/**
 * ByteStream.QueryWriteStatus: for an upload that is in progress or was broken off, the
 * bytes of the blob (uncompressed) that are here and at which it can be resumed; 0 where
 * nothing is known of it, so that the client begins anew (rule 11).
 */
export async function queryWriteStatus(
  context: CacheContext,
  uploads: Uploads,
  bytes: Buffer,
  call: Call,
): Promise<Uint8Array> {
  const request = decodeMessage(bytestream.QueryWriteStatusRequest, bytes)
  const { digest } = checkedName(context, request.resourceName)
  // Asked before the store is: an upload that ends in between is then found there.
  const written = uploads.written(request.resourceName)
  const missing = await finderOf(context, holderOf(context, call))([digest])
  const answer =
    missing.length === 0 ? { committedSize: digest.size, complete: true } : { committedSize: written, complete: false }
  return bytestream.QueryWriteStatusResponse.encode(answer).finish()
}

function checkedName(context: CacheContext, resourceName: string): WriteName {
  const name = parseWriteName(resourceName)
  assertInstance(name.instance, context.instances)
  computable(name.digest)
  return name
}

/** A compressed blob is unpacked in memory only when it is small. */
function isWhole({ finishWrite, writeOffset }: WriteRequest, { compressor, digest }: WriteName): boolean {
  return finishWrite && writeOffset === 0 && (compressor === 'identity' || digest.size <= smallBlobBytesMax)
}

async function whole(
  context: CacheContext,
  uploads: Uploads,
  name: WriteName,
  request: WriteRequest,
  call: Call,
): Promise<number> {
  const { data, resourceName } = request
  const { digest, compressor } = name
  if (uploads.size > 0) await uploads.forget(resourceName)
  if (compressor !== 'identity' && digest.size > promptBytesMax) await call.reserve(digest.size)
  const content = compressor === 'identity' ? data : await unpackZstd(data, digest.size)
  const holder = holderOf(context, call)
  const room = holder?.assertRoom(digest)
  if (room) await room
  await uploads.withRoom(() => context.blobs.put(digest, content))
  holder?.take(digest)
  context.counts.received(data.length)
  context.recorder?.traffic(requestMetadataOf(call), data.length, 0)
  return data.length
}

interface PieceWise {
  readonly name: WriteName
  readonly first: WriteRequest
  readonly messages: AsyncIterator<Buffer>
  readonly call: Call
}

async function inPieces(
  context: CacheContext,
  uploads: Uploads,
  { name, first, messages, call }: PieceWise,
): Promise<number> {
  const { digest, compressor } = name
  if (!Number.isSafeInteger(first.writeOffset) || first.writeOffset < 0 || first.writeOffset > digest.size)
    throw new Failure('invalid', `write_offset must be from 0 to ${digest.size}`, { where: first.resourceName })
  // The second round is for an upload that another stream ended while this one took it over.
  const holder = holderOf(context, call)
  const find = finderOf(context, holder)
  for (let round = 0; round < 2; round += 1) {
    if ((await find([digest])).length === 0) return compressor === 'identity' ? digest.size : committedEarly
    await holder?.assertRoom(digest)
    const upload = await uploads.claim(first.resourceName, digest, first.writeOffset, call.peer)
    if (upload) return streamed(context, upload, { name, first, messages, holder, metadata: requestMetadataOf(call) })
  }
  throw new Failure('unavailable', 'the upload ended, but its blob has been evicted since', {
    where: first.resourceName,
  })
}
