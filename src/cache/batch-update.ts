import { requestMetadataOf } from '../client/recorder.ts'
import type { Digest } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { batchBytesMax, digestBytesMax } from '../core/limits.ts'
import { unpackZstd } from '../wire/compress.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'
import { type BatchAnswer, type BatchUpdate, batchUpdateRequest, encodeBatchUpdateResponse } from './codec-batch.ts'
import { assertBlobSize, assertCallCount, type CacheContext, promptBytesMax, requestDigest } from './context.ts'
import { statusOf } from './statuses.ts'
import type { Uploads } from './uploads.ts'

/**
 * ContentAddressableStorage.BatchUpdateBlobs. Each blob has a status of its own; the whole
 * call fails only when it is malformed or over the limit (rule 12).
 */
export async function batchUpdateBlobs(
  context: CacheContext,
  uploads: Uploads,
  bytes: Buffer,
  call: Call,
): Promise<Uint8Array> {
  const request = decodeMessage(batchUpdateRequest, bytes)
  assertInstance(request.instanceName, context.instances)
  assertCallCount(request.updates.length)
  const digests = request.updates.map((each) => requestDigest(each.digest, request.digestFunction, 'requests.digest'))
  assertBatchSize(request.updates.reduce((sum, each, i) => sum + batchedBytes(each, digests[i]), 0))
  const needed = unpackedBytes(request.updates, digests) + digests.length * digestBytesMax
  if (needed > promptBytesMax) await call.reserve(needed)
  const described = digests.length <= describedMax
  const answers = await Promise.all(
    request.updates.map((each, i) => store(context, uploads, each, digests[i], described)),
  )
  if (context.recorder) {
    const taken = request.updates.reduce((sum, { data }, i) => (answers[i]?.status ? sum : sum + data.length), 0)
    context.recorder.traffic(requestMetadataOf(call), taken, 0)
  }
  return encodeBatchUpdateResponse(answers)
}

/** With more blobs than this, a status is a code without a text. */
const describedMax = 1_000

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

/** Blobs that came compressed take memory of their own. */
function unpackedBytes(updates: readonly BatchUpdate[], digests: readonly Digest[]): number {
  return updates.reduce(
    (sum, { compressor }, i) => (compressor === re.Compressor.Value.IDENTITY ? sum : sum + (digests[i]?.size ?? 0)),
    0,
  )
}

async function store(
  context: CacheContext,
  uploads: Uploads,
  update: BatchUpdate,
  digest: Digest | undefined,
  described: boolean,
): Promise<BatchAnswer> {
  if (!digest) throw new Failure('internal', 'a blob of a batch has lost its digest')
  try {
    assertBlobSize(digest, context.blobSizeMax)
    const bytes = await content(update, digest)
    await uploads.withRoom(() => context.blobs.put(digest, bytes))
    context.counts.received(update.data.length)
    return { digest }
  } catch (error) {
    return { digest, status: statusOf(error, context.log, described) }
  }
}

function content({ data, compressor }: BatchUpdate, digest: Digest): Uint8Array | Promise<Uint8Array> {
  if (compressor === re.Compressor.Value.IDENTITY) return data
  if (compressor === re.Compressor.Value.ZSTD) return unpackZstd(data, digest.size)
  throw new Failure('invalid', `this server does not support compressor ${compressor}`)
}
