import type { Digest } from '../core/digest.ts'
import { Failure, withoutStack } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { batchBytesMax } from '../core/limits.ts'
import { packZstd } from '../wire/compress.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'
import { assertBatchSize } from './batch-update.ts'
import { type BatchAnswer, encodeBatchReadResponse } from './codec-batch.ts'
import { assertCallCount, type Room, requestDigest } from './room.ts'
import { statusOf } from './statuses.ts'
import { promptBytesMax } from './turns.ts'
import { readWhole } from './whole.ts'

/** Smaller blobs hardly shrink. */
const packBytesMin = 128

/**
 * ContentAddressableStorage.BatchReadBlobs. The limit counts the blobs' bytes alone, as
 * clients do; an answer of very many tiny blobs can be larger than 4 MiB by their digests.
 */
export async function batchReadBlobs(room: Room, bytes: Buffer, call: Call): Promise<Uint8Array> {
  const request = decodeMessage(re.BatchReadBlobsRequest, bytes)
  assertInstance(request.instanceName, room.instances)
  assertCallCount(request.digests.length)
  const digests = request.digests.map((each) => requestDigest(each, request.digestFunction, 'digests'))
  const total = digests.reduce((sum, each) => sum + each.size, 0)
  assertBatchSize(total)
  const leave = total > promptBytesMax ? await room.turns.take(call) : undefined
  try {
    return await fetchAll(room, request, digests)
  } finally {
    leave?.()
  }
}

async function fetchAll(
  room: Room,
  request: re.BatchReadBlobsRequest,
  digests: readonly Digest[],
): Promise<Uint8Array> {
  const pack = request.acceptableCompressors.includes(re.Compressor.Value.ZSTD)
  return encodeBatchReadResponse(await Promise.all(digests.map((each) => fetchOne(room, each, pack))))
}

async function fetchOne(room: Room, digest: Digest, pack: boolean): Promise<BatchAnswer> {
  try {
    const data = await readWhole(room.blobs, digest, batchBytesMax)
    room.counts.blobs(data ? 1 : 0, data ? 0 : 1)
    if (!data) throw withoutStack(() => new Failure('not-found', 'there is no such blob', { where: digest.hash }))
    const answer = pack ? await packed(digest, data) : { digest, data }
    room.counts.sent(answer.data?.length ?? 0)
    return answer
  } catch (error) {
    return { digest, status: statusOf(error, room.log) }
  }
}

/** Rule 14: compressed only where the client takes it, and where it helps. */
async function packed(digest: Digest, data: Uint8Array): Promise<BatchAnswer> {
  if (data.length < packBytesMin) return { digest, data }
  const small = await packZstd(data)
  return small.length < data.length ? { digest, data: small, compressor: re.Compressor.Value.ZSTD } : { digest, data }
}
