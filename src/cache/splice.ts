import { Failure } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'
import { assertBlobSize, assertCallCount, type CacheContext, requestDigest } from './context.ts'
import { finderOf, holderOf } from './holding.ts'

/**
 * ContentAddressableStorage.SpliceBlob: stores a blob that is made of others, one after the
 * other (rule 45). An absent chunk is NOT_FOUND; chunks that do not make the blob are
 * INVALID_ARGUMENT. Its size does not matter.
 */
export async function spliceBlob(context: CacheContext, bytes: Buffer, call: Call): Promise<Uint8Array> {
  const request = decodeMessage(re.SpliceBlobRequest, bytes)
  assertInstance(request.instanceName, context.instances)
  const blob = requestDigest(request.blobDigest, request.digestFunction, 'blob_digest')
  assertBlobSize(blob, context.blobSizeMax)
  assertCallCount(request.chunkDigests.length)
  const chunks = request.chunkDigests.map((each) => requestDigest(each, request.digestFunction, 'chunk_digests'))
  const total = chunks.reduce((sum, each) => sum + each.size, 0)
  if (total !== blob.size)
    throw new Failure('invalid', `the chunks have ${total} bytes in total, the blob ${blob.size}`, { where: blob.hash })
  const holder = holderOf(context, call)
  const find = finderOf(context, holder)
  if ((await find([blob])).length > 0) {
    holder?.keep(chunks)
    await context.blobs.splice(blob, { chunks, chunkingFunction: request.chunkingFunction })
    if (holder) await find([blob])
  }
  return re.SpliceBlobResponse.encode({ blobDigest: { hash: blob.hash, sizeBytes: blob.size } }).finish()
}
