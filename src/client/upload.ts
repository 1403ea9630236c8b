import { digestText } from '../core/digest.ts'
import { smallBlobBytesMax } from '../core/limits.ts'
import { re } from '../wire/proto.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { errorOfStatus } from '../wire/status.ts'
import { type Context, callOptions, functionValue, wireDigest } from './context.ts'
import { pack } from './pack.ts'
import { forEachLimited } from './parallel.ts'
import { withRetries } from './retry.ts'
import { type BlobSource, readSource } from './source.ts'
import { writeBlob } from './write.ts'

const method = 'build.bazel.remote.execution.v2.ContentAddressableStorage/BatchUpdateBlobs'

/**
 * Sends blobs, whether the server has them or not: small ones in batches, others as streams. Each digest is sent once;
 * the empty blob never.
 * @throws RpcError of the first blob that the server refused, its message naming the digest
 */
export async function upload(context: Context, sources: readonly BlobSource[], signal?: AbortSignal): Promise<void> {
  const batchBytes = Math.min(context.batchBytes, 4 * smallBlobBytesMax)
  const { batches, streams } = pack(sources, ({ digest }) => digest, batchBytes)
  const jobs = [
    ...batches.map((batch) => () => updateBatch(context, batch, signal)),
    ...streams.map((source) => () => writeBlob(context, source, signal)),
  ]
  await forEachLimited(jobs, context.parallel, (job) => job())
}

async function updateBatch(context: Context, batch: BlobSource[], signal: AbortSignal | undefined): Promise<void> {
  const requests: re.BatchUpdateBlobsRequest.Request.$Properties[] = []
  for (const source of batch) requests.push({ digest: wireDigest(source.digest), data: await readSource(source) })
  const request = re.BatchUpdateBlobsRequest.encode({
    instanceName: context.instance,
    digestFunction: functionValue(batch[0]?.digest.fn ?? context.fn),
    requests,
  }).finish()
  await withRetries(context.retries, signal, async () => {
    const answer = await context.channel.unary(method, request, callOptions(context, signal, request.byteLength))
    assertStored(batch, re.BatchUpdateBlobsResponse.decode(answer).responses ?? [])
  })
  context.onSent?.(batch.reduce((sum, { digest }) => sum + digest.size, 0))
}

/** Each blob of a batch has its own status (rule 12); one without an answer was not stored. */
function assertStored(batch: BlobSource[], responses: re.BatchUpdateBlobsResponse.Response.$Properties[]): void {
  const missing = new Set(batch.map((source) => digestText(source.digest)))
  for (const { digest, status } of responses) {
    const key = `${digest?.hash ?? ''}/${digest?.sizeBytes ?? 0}`
    const error = errorOfStatus(status)
    if (error) throw new RpcError(error.code, `uploading ${key}: ${error.message}`, error.details)
    missing.delete(key)
  }
  for (const key of missing)
    throw new RpcError(Code.INTERNAL, `uploading ${key}: the server did not say that it has it`)
}
