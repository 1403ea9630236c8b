import { assertInstance } from '../core/instance.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'
import { absent } from './absent.ts'
import { type CacheContext, requestDigest } from './context.ts'
import { holderOf } from './holding.ts'

/**
 * ContentAddressableStorage.SplitBlob: the chunks of a blob, so that a client need fetch only those
 * that it does not have. They are cut by the function that the client prefers, if that is one of ours;
 * the answer says which one it was. A blob that is absent, or whose chunks are not all there, is NOT_FOUND.
 */
export async function splitBlob(context: CacheContext, bytes: Buffer, call: Call): Promise<Uint8Array> {
  const request = decodeMessage(re.SplitBlobRequest, bytes)
  assertInstance(request.instanceName, context.instances)
  const blob = requestDigest(request.blobDigest, request.digestFunction, 'blob_digest')
  const layout = await context.blobs.split(blob, request.chunkingFunction)
  if (!layout) throw absent(context, blob, 'blob')
  holderOf(context, call)?.keep(layout.chunks)
  return re.SplitBlobResponse.encode({
    chunkDigests: layout.chunks.map(({ hash, size }) => ({ hash, sizeBytes: size })),
    chunkingFunction: layout.chunkingFunction,
  }).finish()
}
