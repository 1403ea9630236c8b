import { checkedDigest, type DigestFunction, digestFunctionOf } from '../../core/digest.ts'
import { Failure, withoutStack } from '../../core/failure.ts'
import { assertInstance } from '../../core/instance.ts'
import { messageBytesMax } from '../../core/limits.ts'
import { decodeMessage } from '../../wire/decode.ts'
import type { Exchange } from '../../wire/http.ts'
import { re } from '../../wire/proto.ts'
import { assertUpdateEnabled, storeResult, usableResult } from '../action-cache.ts'
import { computable } from '../context.ts'
import { answerBlob, answerBytes, answerEmpty } from './answer.ts'
import type { HttpCache } from './cache.ts'
import { blobBytesMax, contentOf, gather } from './content.ts'
import { storeBlob } from './intake.ts'

/** `{instance/}{fn/}cas/{hash}` or `{instance/}{fn/}ac/{hash}`. */
export interface BazelPath {
  readonly instance: string
  /** Absent where the length of the hash tells it. */
  readonly fn?: DigestFunction
  readonly kind: 'cas' | 'ac'
  readonly hash: string
}

/** Bazel's cache over HTTP: the same blobs and action results as over gRPC, named without their size. */
export async function bazel(cache: HttpCache, exchange: Exchange, path: BazelPath): Promise<void> {
  assertInstance(path.instance, cache.context.instances)
  const fn = path.fn ?? digestFunctionOf(0, path.hash)
  const name = computable(checkedDigest(fn, path.hash, 0))
  const put = exchange.method === 'PUT'
  if (path.kind === 'cas') return put ? putBlob(cache, exchange, name) : getBlob(cache, exchange, name)
  return put ? putResult(cache, exchange, name) : getResult(cache, exchange, name)
}

/** A digest of which only the function and the hash are known. */
type Name = Pick<ReturnType<typeof checkedDigest>, 'fn' | 'hash'>

async function getBlob({ context }: HttpCache, exchange: Exchange, { fn, hash }: Name): Promise<void> {
  const digest = await context.blobs.locate(fn, hash)
  if (!digest) {
    context.counts.lookups('read', 0, 1)
    throw missed('blob', hash)
  }
  // Whoever only asks whether it is there uses it too.
  if (exchange.method === 'HEAD') await context.blobs.findMissing([digest])
  await answerBlob(context, exchange, digest)
}

async function putBlob(cache: HttpCache, exchange: Exchange, { fn, hash }: Name): Promise<void> {
  const content = contentOf(cache.context, exchange, blobBytesMax(cache.context))
  await storeBlob(cache, exchange, content, fn, hash)
  answerEmpty(exchange, 200)
}

async function getResult({ context, references }: HttpCache, exchange: Exchange, { fn, hash }: Name): Promise<void> {
  const action = await context.results.locate(fn, hash)
  const result = action && (await usableResult(context, references, action, exchange, 'action'))
  if (!action) context.counts.lookups('action', 0, 1)
  if (!result) throw missed('result of this action', hash)
  await answerBytes(exchange, result)
}

/**
 * A result is stored under the whole digest of its action where that is known, so that clients of
 * gRPC find it: those of HTTP upload the action too, before its result.
 */
async function putResult({ context, references }: HttpCache, exchange: Exchange, { fn, hash }: Name): Promise<void> {
  assertUpdateEnabled(context)
  const sent = await gather(exchange, contentOf(context, exchange, messageBytesMax), messageBytesMax)
  const result = decodeMessage(re.ActionResult, sent)
  const known = (await context.blobs.locate(fn, hash)) ?? (await context.results.locate(fn, hash))
  await storeResult(context, references, { fn, hash, size: known?.size ?? 0 }, result, sent)
  answerEmpty(exchange, 200)
}

function missed(what: string, hash: string): Failure {
  return withoutStack(() => new Failure('not-found', `there is no such ${what}`, { where: hash }))
}
