import { requestMetadataOf } from '../client/recorder.ts'
import { Failure } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { batchBytesMax, digestBytesMax } from '../core/limits.ts'
import { stored, type WholeBlob } from '../store/blobs.ts'
import type { Holder } from '../store/pins.ts'
import type { Log } from '../telemetry/log.ts'
import { unpackZstd } from '../wire/compress.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'
import { type BatchAnswer, batchUpdateRequest, encodeBatchUpdateResponse } from './codec-batch.ts'
import {
  assertBlobSize,
  assertCallCount,
  type CacheContext,
  isTooLarge,
  promptBytesMax,
  requestDigest,
} from './context.ts'
import { holderOf } from './holding.ts'
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
  const updates = request.updates.map(({ digest, data, compressor }) => ({
    digest: requestDigest(digest, request.digestFunction, 'requests.digest'),
    bytes: data,
    compressor,
  }))
  assertBatchSize(updates.reduce((sum, each) => sum + batchedBytes(each), 0))
  const needed = unpackedBytes(updates) + updates.length * digestBytesMax
  if (needed > promptBytesMax) await call.reserve(needed)
  const holder = holderOf(context, call)
  const outcomes = holder
    ? await storeAllFor(holder, updates, (admitted) => storeAll(context, uploads, admitted))
    : await storeAll(context, uploads, updates)
  const taken = updates.reduce((sum, { bytes }, at) => (isStored(outcomes[at]) ? sum + bytes.length : sum), 0)
  context.counts.received(taken)
  context.recorder?.traffic(requestMetadataOf(call), taken, 0)
  return encodeBatchUpdateResponse(answersOf(updates, outcomes, context.log))
}

/** One blob of a batch; its bytes are as they were sent. */
interface Update extends WholeBlob {
  /** Compressor.Value, as sent. */
  readonly compressor: number
}

/** What became of one blob. */
type Outcome = PromiseSettledResult<void>

const identity = re.Compressor.Value.IDENTITY
/** With more blobs than this, a status is a code without a text. */
const describedMax = 1_000

/**
 * @param total bytes of all blobs of one batch call, uncompressed
 * @throws Failure 'invalid'
 */
export function assertBatchSize(total: number): void {
  if (total <= batchBytesMax) return
  throw new Failure('invalid', `the blobs of this call have ${total} bytes in total; the limit is ${batchBytesMax}`, {
    next: ['Use ByteStream for larger blobs.'],
  })
}

/** A compressed blob counts with what it unpacks to: this is what bounds a zstd bomb in a batch. */
function batchedBytes({ digest, bytes, compressor }: Update): number {
  return compressor === identity ? bytes.byteLength : Math.max(bytes.byteLength, digest.size)
}

/** Blobs that came compressed take memory of their own. */
function unpackedBytes(updates: readonly Update[]): number {
  return updates.reduce((sum, { digest, compressor }) => (compressor === identity ? sum : sum + digest.size), 0)
}

/**
 * Blobs that came uncompressed go to the store together. The others go one by one, and so do those that found no
 * room: for one that is stored by itself, uploads that stand still give up theirs.
 * @returns what became of each, in the order sent
 */
async function storeAll(
  context: CacheContext,
  uploads: Uploads,
  updates: readonly Update[],
): Promise<readonly Outcome[]> {
  const plain = updates.filter(
    ({ digest, compressor }) => compressor === identity && !isTooLarge(digest, context.blobSizeMax),
  )
  const outcomes = await context.blobs.putAll(plain)
  if (plain.length === updates.length && !outcomes.some(foundNoRoom)) return outcomes
  const together = new Map(plain.map((each, at) => [each, outcomes[at]]))
  return Promise.all(
    updates.map(async (update) => {
      const outcome = together.get(update)
      if (outcome && !foundNoRoom(outcome)) return outcome
      const [own] = await Promise.allSettled([store(context, uploads, update)])
      return own
    }),
  )
}

/** Stores what can be kept for the invocation; the others are refused. */
async function storeAllFor(
  holder: Holder,
  updates: readonly Update[],
  storeThese: (admitted: readonly Update[]) => Promise<readonly Outcome[]>,
): Promise<readonly Outcome[]> {
  const fits = holder.fits(updates.map(({ digest }) => digest))
  const outcomes: readonly Outcome[] = fits
    ? updates.map(() => stored)
    : await Promise.allSettled(updates.map(async ({ digest }) => holder.assertRoom(digest)))
  const admitted = updates.filter((_, at) => isStored(outcomes[at]))
  const settled = await storeThese(admitted)
  let next = 0
  return updates.map(({ digest }, at) => {
    const outcome = isStored(outcomes[at]) ? settled[next++] : outcomes[at]
    return outcome && isStored(outcome) ? outcomeOf(() => void holder.take(digest)) : (outcome ?? stored)
  })
}

function outcomeOf(act: () => void): Outcome {
  try {
    act()
    return stored
  } catch (reason) {
    return { status: 'rejected', reason }
  }
}

async function store(context: CacheContext, uploads: Uploads, update: Update): Promise<void> {
  assertBlobSize(update.digest, context.blobSizeMax)
  const bytes = await content(update)
  await uploads.withRoom(() => context.blobs.put(update.digest, bytes))
}

function content({ digest, bytes, compressor }: Update): Uint8Array | Promise<Uint8Array> {
  if (compressor === identity) return bytes
  if (compressor === re.Compressor.Value.ZSTD) return unpackZstd(bytes, digest.size)
  throw new Failure('invalid', `this server does not support compressor ${compressor}`)
}

function isStored(outcome: Outcome | undefined): boolean {
  return outcome?.status === 'fulfilled'
}

function foundNoRoom(outcome: Outcome): boolean {
  return outcome.status === 'rejected' && outcome.reason instanceof Failure && outcome.reason.kind === 'exhausted'
}

function answersOf(updates: readonly Update[], outcomes: readonly Outcome[], log: Log): BatchAnswer[] {
  const described = updates.length <= describedMax
  return updates.map(({ digest }, at) => {
    const outcome = outcomes[at]
    return outcome?.status === 'rejected' ? { digest, status: statusOf(outcome.reason, log, described) } : { digest }
  })
}
