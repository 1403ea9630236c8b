import { requestMetadataOf } from '../client/recorder.ts'
import type { Digest } from '../core/digest.ts'
import { Failure, withoutStack } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { batchBytesMax, messageBytesMax } from '../core/limits.ts'
import { packZstd } from '../wire/compress.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'
import { absent } from './absent.ts'
import { assertBatchSize } from './batch-update.ts'
import { type BatchAnswer, encodeBatchReadResponse } from './codec-batch.ts'
import { batchReadOutline, batchReadRequest } from './codec-batch-read.ts'
import { assertCallCount, type CacheContext, promptBytesMax, requestDigest } from './context.ts'
import { fitting } from './fitting.ts'
import { keepRead } from './holding.ts'
import { bareStatus, statusOf } from './statuses.ts'
import { readWhole } from './whole.ts'

/** Smaller blobs hardly shrink. */
const packBytesMin = 128

/**
 * ContentAddressableStorage.BatchReadBlobs. The limit counts the blobs' bytes alone, as clients
 * do; blobs whose bytes do not fit into a message of 4 MiB beside the digests of all of them
 * have RESOURCE_EXHAUSTED as their status, and can be asked for again.
 */
export async function batchReadBlobs(context: CacheContext, bytes: Buffer, call: Call): Promise<Uint8Array> {
  // Memory comes first: the digests that are read from the request, the blobs, and the message that they are copied to.
  const outline = decodeMessage(batchReadOutline, bytes)
  assertCallCount(outline.digests)
  assertBatchSize(outline.blobBytes)
  const needed = 2 * bytes.length + 2 * outline.blobBytes
  if (needed > promptBytesMax) await call.reserve(needed)
  const request = decodeMessage(batchReadRequest, bytes)
  assertInstance(request.instanceName, context.instances)
  const digests = request.digests.map((each) => requestDigest(each, request.digestFunction, 'digests'))
  const kept = keepRead(context, call, digests)
  if (kept) await kept
  const answers = await fetchAll(context, digests, request.compressors.includes(zstd))
  if (context.recorder) {
    const sent = answers.reduce((sum, { data }) => sum + (data?.length ?? 0), 0)
    context.recorder.traffic(requestMetadataOf(call), 0, sent)
  }
  const answer = encodeBatchReadResponse(answers)
  if (answer.length <= messageBytesMax) return answer
  // There was room for codes alone: very many blobs are absent, or were evicted and are told so.
  return encodeBatchReadResponse(
    answers.map((each) => (each.status ? { ...each, status: bareStatus(each.status) } : each)),
  )
}

const zstd = re.Compressor.Value.ZSTD

/** Counts once for all of them: a batch has up to 100,000. */
async function fetchAll(context: CacheContext, digests: readonly Digest[], pack: boolean): Promise<BatchAnswer[]> {
  const fits = fitting(digests)
  let hits = 0
  let misses = 0
  let sent = 0

  async function fetchOne(digest: Digest): Promise<BatchAnswer> {
    try {
      if (!fits(digest))
        throw withoutStack(() => new Failure('exhausted', 'the answer is full; ask again for this one'))
      const data = await readWhole(context.blobs, digest, batchBytesMax)
      if (!data) {
        misses += 1
        throw absent(context, digest, 'blob')
      }
      hits += 1
      const answer = pack ? await packed(digest, data) : { digest, data }
      sent += answer.data?.length ?? 0
      return answer
    } catch (error) {
      return { digest, status: statusOf(error, context.log) }
    }
  }

  const answers = await Promise.all(digests.map(fetchOne))
  context.counts.lookups('read', hits, misses)
  context.counts.sent(sent)
  return answers
}

/** Rule 14: compressed only where the client takes it, and where it helps. */
async function packed(digest: Digest, data: Uint8Array): Promise<BatchAnswer> {
  if (data.length < packBytesMin) return { digest, data }
  const small = await packZstd(data)
  return small.length < data.length ? { digest, data: small, compressor: zstd } : { digest, data }
}
