import type { Digest } from '../core/digest.ts'
import { Failure, withoutStack } from '../core/failure.ts'
import { assertInstance } from '../core/instance.ts'
import { decodeMessage } from '../wire/decode.ts'
import { re } from '../wire/proto.ts'
import { missingBlobs } from '../wire/status.ts'
import { cursorOf, readBytes, readTag, skipField } from './cursor.ts'
import { inlined } from './inline.ts'
import type { References } from './references.ts'
import { type Room, requestDigest } from './room.ts'

/** UpdateActionResultRequest.action_result: field 3, length-delimited. */
const actionResultTag = 0x1a
/** Put into a result that would take no bytes at all, which clients cannot tell from none (rule 21). */
const emptyResult = re.ActionResult.encode({ executionMetadata: { worker: 'unknown' } }).finish()

/** ActionCache.GetActionResult: a result whose blobs are all there, or NOT_FOUND (rules 18 and 19). */
export async function getActionResult(room: Room, references: References, bytes: Buffer): Promise<Uint8Array> {
  const request = decodeMessage(re.GetActionResultRequest, bytes)
  assertInstance(request.instanceName, room.instances)
  const action = requestDigest(request.actionDigest, request.digestFunction, 'action_digest')
  const stored = await room.results.get(action)
  const usable = stored !== undefined && (await isUsable(room, references, action, stored))
  room.counts.action(usable)
  if (!usable) throw absent(action)
  const wanted = request.inlineStdout || request.inlineStderr || request.inlineOutputFiles.length > 0
  return wanted ? inlined(room, stored, request, action.fn) : stored
}

function absent({ hash }: Digest): Failure {
  return withoutStack(() => new Failure('not-found', 'there is no result of this action', { where: hash }))
}

/** Whatever makes a stored result useless is a miss: the client runs the action and stores it anew. */
async function isUsable(room: Room, references: References, action: Digest, stored: Uint8Array): Promise<boolean> {
  try {
    return (await references.missing(decodeMessage(re.ActionResult, stored), action.fn, false)).length === 0
  } catch (error) {
    if (!(error instanceof Failure) || (error.kind !== 'invalid' && error.kind !== 'corrupt')) throw error
    room.log.warn('a stored action result cannot be used and is dropped', { action: action.hash, error })
    await room.results.delete(action)
    return false
  }
}

/**
 * ActionCache.UpdateActionResult. The client's own bytes are stored, so that fields unknown
 * to us survive. A result with a non-zero exit code may be stored (rule 23).
 */
export async function updateActionResult(room: Room, references: References, bytes: Buffer): Promise<Uint8Array> {
  const request = decodeMessage(re.UpdateActionResultRequest, bytes)
  assertInstance(request.instanceName, room.instances)
  if (!room.updateEnabled)
    throw new Failure('denied', 'this server does not take action results from clients', {
      next: ['Set action_cache.update in its configuration, or upload none (Bazel: --noremote_upload_local_results).'],
    })
  const action = requestDigest(request.actionDigest, request.digestFunction, 'action_digest')
  if (!request.actionResult) throw new Failure('invalid', 'action_result is missing')
  const missing = await references.missing(request.actionResult, action.fn, true)
  if (missing.length > 0) throw missingBlobs(missing, 'the action result refers to blobs that are not here')
  const sent = sentResult(bytes)
  const value = sent.length > 0 ? sent : emptyResult
  await room.results.put(action, value)
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
