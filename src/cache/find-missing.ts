import { requestMetadataOf } from '../client/recorder.ts'
import type { Digest } from '../core/digest.ts'
import { assertInstance } from '../core/instance.ts'
import { decodeMessage } from '../wire/decode.ts'
import type { Call } from '../wire/rpc.ts'
import { encodeFindMissingResponse, findMissingRequest } from './codec-find.ts'
import { assertCallCount, type CacheContext, promptBytesMax, requestDigest } from './context.ts'
import { finderOf, holderOf } from './holding.ts'

/**
 * ContentAddressableStorage.FindMissingBlobs. What it does not name has been touched: a
 * client may count on it for a while (rule 15), or, if it names its invocation, for as long as that is live.
 */
export async function findMissingBlobs(context: CacheContext, bytes: Buffer, call: Call): Promise<Uint8Array> {
  // The digests that are read from it, and an answer that may name all of them again.
  if (bytes.length > promptBytesMax) await call.reserve(2 * bytes.length)
  const request = decodeMessage(findMissingRequest, bytes)
  assertInstance(request.instanceName, context.instances)
  assertCallCount(request.digests.length)
  const digests = request.digests.map((each) => requestDigest(each, request.digestFunction, 'blob_digests'))
  const missing = await finderOf(context, holderOf(context, call))(digests)
  context.counts.lookups('find_missing', digests.length - missing.length, missing.length)
  context.recorder?.traffic(requestMetadataOf(call), 0, 0, bytesOf(digests) - bytesOf(missing))
  return encodeFindMissingResponse(missing)
}

function bytesOf(digests: readonly Digest[]): number {
  let sum = 0
  for (const { size } of digests) sum += size
  return sum
}
