import type { Digest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { batchBytesMax } from '../core/limits.ts'
import { unpackZstd } from '../wire/compress.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import { type BatchAnswer, type BatchUpdate, batchUpdateRequest, encodeBatchUpdateResponse } from './codec-batch.ts'
import { assertBlobSize, assertCallCount, type Room, requestDigest } from './room.ts'
import { statusOf } from './statuses.ts'
import type { Uploads } from './uploads.ts'

/**
 * ContentAddressableStorage.BatchUpdateBlobs. Each blob has a status of its own; the whole
 * call fails only when it is malformed or over the limit (rule 12).
 */
export async function batchUpdateBlobs(room: Room, uploads: Uploads, bytes: Buffer): Promise<Uint8Array> {
  const request = decodeMessage(batchUpdateRequest, bytes)
  assertInstance(request.instanceName, room.instances)
  assertCallCount(request.updates.length)
  const digests = request.updates.map((each) => requestDigest(each.digest, request.digestFunction, 'requests.digest'))
  assertBatchSize(request.updates.reduce((sum, each, i) => sum + batchedBytes(each, digests[i]), 0))
  const answers = await Promise.all(request.updates.map((each, i) => store(room, uploads, each, digests[i])))
  return encodeBatchUpdateResponse(answers)
}

/**
 * @param total bytes of all blobs of one batch call, uncompressed
 * @throws Failure 'invalid'
 */
export function assertBatchSize(total: number): void {
  if (total <= batchBytesMax) return
  throw new Failure('invalid', `the blobs of this call have ${total} bytes together; the limit is ${batchBytesMax}`, {
    next: ['Use ByteStream for larger blobs.'],
  })
}

/** A compressed blob counts with what it unpacks to: this is what bounds a zstd bomb in a batch. */
function batchedBytes({ data, compressor }: BatchUpdate, digest: Digest | undefined): number {
  return compressor === re.Compressor.Value.IDENTITY ? data.length : Math.max(data.length, digest?.size ?? 0)
}

async function store(
  room: Room,
  uploads: Uploads,
  update: BatchUpdate,
  digest: Digest | undefined,
): Promise<BatchAnswer> {
  if (!digest) throw new Failure('internal', 'a blob of a batch has lost its digest')
  try {
    assertBlobSize(digest, room.blobSizeMax)
    const bytes = await content(update, digest)
    await uploads.withRoom(() => room.blobs.put(digest, bytes))
    room.counts.received(update.data.length)
    return { digest }
  } catch (error) {
    return { digest, status: statusOf(error, room.log) }
  }
}

function content({ data, compressor }: BatchUpdate, digest: Digest): Uint8Array | Promise<Uint8Array> {
  if (compressor === re.Compressor.Value.IDENTITY) return data
  if (compressor === re.Compressor.Value.ZSTD) return unpackZstd(data, digest.size)
  throw new Failure('invalid', `compressor ${compressor} is not one that this server has`)
}
