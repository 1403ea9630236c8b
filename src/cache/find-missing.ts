import { assertInstance } from '../core/instance.ts'
import { decodeMessage } from '../wire/decode.ts'
import { encodeFindMissingResponse, findMissingRequest } from './codec-find.ts'
import { assertCallCount, type Room, requestDigest } from './room.ts'

/**
 * ContentAddressableStorage.FindMissingBlobs. What it does not name has been touched: a
 * client may count on it for a while (rule 15).
 */
export async function findMissingBlobs(room: Room, bytes: Buffer): Promise<Uint8Array> {
  const request = decodeMessage(findMissingRequest, bytes)
  assertInstance(request.instanceName, room.instances)
  assertCallCount(request.digests.length)
  const digests = request.digests.map((each) => requestDigest(each, request.digestFunction, 'blob_digests'))
  const missing = await room.blobs.findMissing(digests)
  room.counts.blobs(digests.length - missing.length, missing.length)
  return encodeFindMissingResponse(missing)
}
