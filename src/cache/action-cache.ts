import { type Caller, type Found, requestMetadataOf } from '../client/recorder.ts'
import type { Digest } from '../core/digest.ts'
import { Failure, withoutStack } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { messageBytesMax } from '../core/limits.ts'
import { resultOf } from '../store/evictions.ts'
import { decodeMessage } from '../wire/decode.ts'
import { isForExecute } from '../wire/for-execute.ts'
import { re } from '../wire/proto.ts'
import type { Call } from '../wire/rpc.ts'
import { isSigned } from '../wire/signed.ts'
import { missingBlobs } from '../wire/status.ts'
import { resultReferences } from './codec-result.ts'
import { type CacheContext, promptBytesMax, requestDigest } from './context.ts'
import type { LookupKind } from './counts.ts'
import { cursorOf, readBytes, readTag, skipField } from './cursor.ts'
import { type Find, finderOf, holderOf } from './holding.ts'
import { inlined } from './inline.ts'
import type { References } from './references.ts'

/** UpdateActionResultRequest.action_result: field 3, length-delimited. */
const actionResultTag = 0x1a
/** Protobuf's own bound. What lies beyond it in the store of results is not an action's (http/objects.ts). */
export const actionBytesMax = 2 ** 31
/** Put into a result that would take no bytes at all, which clients cannot tell from none (rule 21). */
const emptyResult = re.ActionResult.encode({ executionMetadata: { worker: 'unknown' } }).finish()

/** ActionCache.GetActionResult: a result whose blobs are all there, or NOT_FOUND (rules 18 and 19). */
export async function getActionResult(
  context: CacheContext,
  references: References,
  bytes: Buffer,
  call: Call,
): Promise<Uint8Array> {
  const request = decodeMessage(re.GetActionResultRequest, bytes)
  assertInstance(request.instanceName, context.instances)
  const action = actionDigest(request.actionDigest, request.digestFunction)
  // The scheduler tells of its own lookups, together with what came of them.
  const stored = isForExecute(call)
    ? await usableResult(context, references, action, call, 'execute')
    : await usableResult(
        context,
        references,
        action,
        call,
        'action',
        context.recorder && callerOf(call, request.instanceName),
      )
  if (!stored) throw absent(action)
  const inlines = request.inlineStdout || request.inlineStderr || request.inlineOutputFiles.length > 0
  if (inlines) await call.reserve(2 * messageBytesMax)
  return inlines ? inlined(context, stored, request, action.fn) : stored
}

/**
 * A result whose blobs are all there; undefined when there is none.
 * @param kind what it is counted as
 * @param caller on whose behalf it is put down; absent, it is not
 */
export async function usableResult(
  context: CacheContext,
  references: References,
  action: Digest,
  call: Pick<Call, 'peer' | 'reserve'> & Partial<Pick<Call, 'header'>>,
  kind: LookupKind,
  caller?: Caller,
): Promise<Uint8Array | undefined> {
  const stored = await context.resultReads(call.peer, () => readResult(context, action, call))
  const flaw =
    stored === undefined
      ? absence(context, action)
      : await flawOf(context, references, action, stored, finderOf(context, holderOf(context, call)))
  context.counts.lookups(kind, flaw ? 0 : 1, flaw ? 1 : 0)
  if (caller) context.recorder?.lookup(caller, action, flaw ?? hit)
  return flaw ? undefined : stored
}

const hit: Found = { answer: 'hit' }
const neverThere: Found = { answer: 'absent' }

function callerOf(call: Pick<Call, 'header'>, instance: string): Caller {
  return { metadata: requestMetadataOf(call), instance }
}

/** Why there is no result. */
function absence({ evictions }: CacheContext, action: Digest): Found {
  // Most misses are of a cache that has evicted nothing: the name under which it would be remembered is not made then.
  if (!evictions || evictions.count === 0) return neverThere
  const evictedMs = evictions.millisecondsSince(resultOf(action))
  return evictedMs === undefined ? neverThere : { answer: 'evicted', evictedMs }
}

/** @throws Failure 'invalid' also for one that no Action can have */
function actionDigest(wire: re.Digest.$Properties | null | undefined, fn: number): Digest {
  const action = requestDigest(wire, fn, 'action_digest')
  if (action.size <= actionBytesMax) return action
  throw new Failure('invalid', `action_digest: an Action has at most ${actionBytesMax} bytes`, { where: action.hash })
}

/** How large a result is shows only when it is read. */
async function readResult(
  context: CacheContext,
  action: Digest,
  call: Pick<Call, 'reserve'>,
): Promise<Uint8Array | undefined> {
  const stored = await context.results.get(action)
  if (stored && stored.length > promptBytesMax) await call.reserve(stored.length)
  return stored
}

function absent({ hash }: Digest): Failure {
  return withoutStack(() => new Failure('not-found', 'there is no result for this action', { where: hash }))
}

/** Whatever makes a stored result useless is a miss: the client runs the action and stores it anew. */
async function flawOf(
  context: CacheContext,
  references: References,
  action: Digest,
  stored: Uint8Array,
  find: Find,
): Promise<Found | undefined> {
  try {
    const [missing] = await references.missing(decodeMessage(resultReferences, stored), action.fn, false, find)
    return missing && { answer: 'incomplete', missing, evictedMs: context.evictions?.millisecondsSince(missing) }
  } catch (error) {
    if (!(error instanceof Failure) || (error.kind !== 'invalid' && error.kind !== 'corrupt')) throw error
    context.log.warn('a stored action result cannot be used and is dropped', { action: action.hash, error })
    await context.results.delete(action)
    return neverThere
  }
}

/**
 * ActionCache.UpdateActionResult. The client's own bytes are stored, so that fields unknown
 * to us survive. A result with a non-zero exit code may be stored (rule 23). A scheduler of this
 * cluster, which its signature tells apart, may write where clients may not.
 * @throws RpcError UNAUTHENTICATED for a signature that is not right
 */
export async function updateActionResult(
  context: CacheContext,
  references: References,
  bytes: Buffer,
  call: Pick<Call, 'method' | 'header' | 'peer'>,
): Promise<Uint8Array> {
  const ours = context.secret !== undefined && isSigned(context.secret, bytes, call)
  const request = decodeMessage(re.UpdateActionResultRequest, bytes)
  assertInstance(request.instanceName, context.instances)
  if (!ours) assertUpdateEnabled(context)
  const action = actionDigest(request.actionDigest, request.digestFunction)
  if (!request.actionResult) throw new Failure('invalid', 'action_result is missing')
  const find = finderOf(context, holderOf(context, call))
  const value = await storeResult(context, references, action, request.actionResult, sentResult(bytes), find)
  // The scheduler tells of its runs by itself.
  if (!ours) context.recorder?.update(callerOf(call, request.instanceName), action, request.actionResult)
  return value
}

/** @throws Failure 'denied' where clients may not write action results */
export function assertUpdateEnabled(context: CacheContext): void {
  if (context.updateEnabled) return
  throw new Failure('denied', 'this server does not accept action results from clients', {
    next: [
      'Set action_cache.update in its configuration, or do not upload any (Bazel: --noremote_upload_local_results).',
    ],
  })
}

/**
 * Stores a result whose blobs are all there.
 * @param sent the result as the client sent it
 * @param find how the blobs that it refers to are looked for
 * @returns the bytes that are stored
 */
export async function storeResult(
  context: CacheContext,
  references: References,
  action: Digest,
  result: re.ActionResult.$Properties,
  sent: Uint8Array,
  find?: Find,
): Promise<Uint8Array> {
  const missing = await references.missing(result, action.fn, true, find)
  if (missing.length > 0) throw missingBlobs(missing, 'the action result refers to blobs that are not here')
  const value = sent.length > 0 ? sent : emptyResult
  await context.results.put(action, value)
  return value
}

/** The bytes of action_result as sent. A field that stands several times means all of it, one after the other. */
function sentResult(request: Buffer): Buffer {
  const parts: Buffer[] = []
  const cursor = cursorOf(request)
  while (cursor.at < cursor.end) {
    const tag = readTag(cursor)
    if (tag === actionResultTag) parts.push(readBytes(cursor))
    else skipField(cursor, tag)
  }
  const [only] = parts
  return parts.length === 1 && only ? only : Buffer.concat(parts)
}
