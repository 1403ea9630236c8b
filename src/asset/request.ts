import { type DigestFunction, digestFunctionOf } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { computableFunctions } from '../core/hash.ts'
import { assertInstance } from '../core/instance.ts'
import type { asset } from '../wire/proto.ts'
import { fromDuration, fromTimestamp } from '../wire/time.ts'
import type { AssetContext } from './context.ts'
import { type Qualifiers, qualifierSet } from './qualifiers.ts'

const urisMax = 64
const uriLengthMax = 8 * 1024
const sha256Value = 1

/** A Fetch request, with the checks that apply to pushed content too. */
export interface FetchRequest {
  readonly uris: readonly string[]
  readonly qualifiers: Qualifiers
  readonly fn: DigestFunction
  /** Content that was pushed, or whose retrieval began, earlier than this is too old; milliseconds since 1970. */
  readonly oldestMs: number
  /** For a retrieval. */
  readonly timeoutMs: number
}

/** Both kinds of request have the same fields. @throws Failure 'invalid' */
export function readFetchRequest(
  context: Pick<AssetContext, 'instances' | 'timeouts'>,
  message: asset.FetchBlobRequest | asset.FetchDirectoryRequest,
): FetchRequest {
  assertInstance(message.instanceName, context.instances)
  const { defaultMs, maxMs } = context.timeouts
  const timeoutMs = message.timeout ? fromDuration(message.timeout, 'timeout') : 0
  if (timeoutMs < 0) throw new Failure('invalid', 'timeout: a span of time cannot be negative')
  const { oldestContentAccepted: oldest } = message
  return {
    uris: checkedUris(message.uris),
    qualifiers: qualifierSet(message.qualifiers),
    fn: checkedFunction(message.digestFunction),
    oldestMs: oldest ? fromTimestamp(oldest, 'oldest_content_accepted') : Number.NEGATIVE_INFINITY,
    timeoutMs: Math.min(timeoutMs || defaultMs, maxMs),
  }
}

/** @throws Failure 'invalid' */
export function checkedUris(uris: readonly string[]): readonly string[] {
  if (uris.length === 0 || uris.length > urisMax)
    throw new Failure('invalid', `a request must name 1 to ${urisMax} URIs, not ${uris.length}`)
  for (const uri of uris)
    if (uri === '' || uri.length > uriLengthMax)
      throw new Failure('invalid', `a URI must have 1 to ${uriLengthMax} characters, not ${uri.length}`, {
        where: uri.slice(0, 100),
      })
  return uris
}

/** UNKNOWN means SHA256 (remote_asset.proto, FetchBlobRequest.digest_function). @throws Failure 'invalid' */
function checkedFunction(value: number): DigestFunction {
  const fn = digestFunctionOf(value || sha256Value, '')
  if (computableFunctions.includes(fn)) return fn
  throw new Failure('invalid', `this server does not compute ${fn} digests`, {
    next: [`It computes ${computableFunctions.join(', ')}.`],
  })
}
