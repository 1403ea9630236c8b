import { type Digest, digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { createHasher, digestOf } from '../core/hash.ts'
import { unpackZstd, unpackZstdStream } from '../wire/compress.ts'
import { bytestream, re } from '../wire/proto.ts'
import { readName } from '../wire/resource.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { errorOfStatus } from '../wire/status.ts'
import { type Context, callOptions, functionValue, wireDigest } from './context.ts'
import { pack } from './pack.ts'
import { forEachLimited } from './parallel.ts'
import { retryDelayMs, waitToRetry, withRetries } from './retry.ts'

const batchMethod = 'build.bazel.remote.execution.v2.ContentAddressableStorage/BatchReadBlobs'
const readMethod = 'google.bytestream.ByteStream/Read'
const zstdCompressor = 1

/**
 * Reads whole blobs into memory, by `hash/size`; those that the server lacks are left out. Small ones are batched,
 * larger ones streamed. Every blob is verified. The caller limits the total, all of which is in memory at once.
 * @throws Failure 'corrupt' when bytes do not match the digest
 */
export async function readBlobs(
  context: Context,
  digests: readonly Digest[],
  signal?: AbortSignal,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>()
  for (const digest of digests) if (digest.size === 0) found.set(digestText(digest), new Uint8Array())
  const { batches, streams } = pack(digests, (digest) => digest, context.batchBytes)
  const jobs = [
    ...batches.map((batch) => () => readBatch(context, batch, found, signal)),
    ...streams.map((digest) => () => readLarge(context, digest, found, signal)),
  ]
  await forEachLimited(jobs, context.parallel, (job) => job())
  return found
}

/**
 * Streams a blob in pieces, from its beginning. A broken stream is resumed where it stopped. The bytes are verified
 * only once the iteration has ended without an error: whoever keeps them must wait for that.
 * @throws Failure 'not-found' when the server lacks it, 'corrupt' when bytes do not match the digest
 */
export async function* readStream(context: Context, digest: Digest, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const hasher = createHasher(digest.fn)
  let at = 0
  for (let failures = 0; at < digest.size; ) {
    try {
      for await (const piece of readFrom(context, digest, at, signal)) {
        at += piece.byteLength
        if (at > digest.size) throw corrupt(digest, 'more bytes came than it has')
        hasher.update(piece)
        failures = 0
        yield piece
      }
      if (at < digest.size)
        throw new RpcError(Code.UNAVAILABLE, `reading ${digestText(digest)}: it ended after ${at} bytes`)
    } catch (error) {
      failures += 1
      if (error instanceof RpcError && error.code === Code.NOT_FOUND) throw absent(digest, error)
      const delay = signal?.aborted ? undefined : retryDelayMs(error, failures, context.retries)
      if (delay === undefined) throw error
      await waitToRetry(delay, context.retries.clock, signal)
    }
  }
  if (hasher.hex() !== digest.hash) throw corrupt(digest, 'the bytes that came have another hash')
}

/** The failure for a blob that a server should have. */
export function absent(digest: Digest, cause?: unknown): Failure {
  return new Failure('not-found', 'the server does not have the blob', { where: digestText(digest), cause })
}

function corrupt(digest: Digest, what: string): Failure {
  return new Failure('corrupt', `reading a blob: ${what}`, { where: digestText(digest) })
}

async function* readFrom(
  context: Context,
  digest: Digest,
  offset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const resourceName = readName({
    instance: context.instance,
    digest,
    compressor: context.zstd ? 'zstd' : 'identity',
  })
  // Compressed or not, the offset counts uncompressed bytes (rule 9).
  const request = bytestream.ReadRequest.encode({ resourceName, readOffset: offset }).finish()
  const answers = context.channel.serverStream(readMethod, request, callOptions(context, signal, digest.size))
  const pieces = readData(answers)
  yield* context.zstd ? unpackZstdStream(pieces, digest.size - offset) : pieces
}

async function* readData(answers: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  for await (const answer of answers) {
    const { data } = bytestream.ReadResponse.decode(answer)
    if (data && data.byteLength > 0) yield data
  }
}

async function readLarge(
  context: Context,
  digest: Digest,
  found: Map<string, Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const whole = Buffer.allocUnsafe(digest.size)
  let at = 0
  try {
    for await (const piece of readStream(context, digest, signal)) {
      whole.set(piece, at)
      at += piece.byteLength
    }
  } catch (error) {
    if (error instanceof Failure && error.kind === 'not-found') return
    throw error
  }
  found.set(digestText(digest), whole)
}

async function readBatch(
  context: Context,
  batch: Digest[],
  found: Map<string, Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const request = re.BatchReadBlobsRequest.encode({
    instanceName: context.instance,
    digestFunction: functionValue(batch[0]?.fn ?? context.fn),
    digests: batch.map(wireDigest),
    acceptableCompressors: context.zstd ? [zstdCompressor] : [],
  }).finish()
  await withRetries(context.retries, signal, async () => {
    const answer = await context.channel.unary(batchMethod, request, callOptions(context, signal))
    const asked = new Map(batch.map((digest) => [digestText(digest), digest]))
    for (const response of re.BatchReadBlobsResponse.decode(answer).responses ?? []) {
      const key = `${response.digest?.hash ?? ''}/${response.digest?.sizeBytes ?? 0}`
      const digest = asked.get(key)
      if (digest) await take(digest, response, found)
    }
  })
}

async function take(
  digest: Digest,
  response: re.BatchReadBlobsResponse.Response.$Properties,
  found: Map<string, Uint8Array>,
): Promise<void> {
  const error = errorOfStatus(response.status)
  if (error?.code === Code.NOT_FOUND) return
  if (error) throw new RpcError(error.code, `reading ${digestText(digest)}: ${error.message}`, error.details)
  const data = response.data ?? new Uint8Array()
  const bytes = response.compressor === zstdCompressor ? await unpackZstd(data, digest.size) : data
  if (bytes.byteLength !== digest.size || digestOf(digest.fn, bytes).hash !== digest.hash)
    throw corrupt(digest, 'the bytes that came are not its own')
  found.set(digestText(digest), bytes)
}
