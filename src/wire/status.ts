import type { Digest } from '../core/digest.ts'
import { Failure, type FailureKind, withoutStack } from '../core/failure.ts'
import { packAny, unpackAny } from './any.ts'
import { rpc } from './proto.ts'
import { blobSubject } from './resource.ts'
import { Code, type Detail, RpcError } from './rpc.ts'
import { toDuration } from './time.ts'

const codeOf: Readonly<Record<FailureKind, Code>> = {
  invalid: Code.INVALID_ARGUMENT,
  'not-found': Code.NOT_FOUND,
  exists: Code.ALREADY_EXISTS,
  precondition: Code.FAILED_PRECONDITION,
  exhausted: Code.RESOURCE_EXHAUSTED,
  unavailable: Code.UNAVAILABLE,
  cancelled: Code.CANCELLED,
  deadline: Code.DEADLINE_EXCEEDED,
  denied: Code.PERMISSION_DENIED,
  unimplemented: Code.UNIMPLEMENTED,
  'out-of-range': Code.OUT_OF_RANGE,
  corrupt: Code.DATA_LOSS,
  program: Code.INTERNAL,
  internal: Code.INTERNAL,
}

const kindOf: ReadonlyMap<Code, FailureKind> = new Map<Code, FailureKind>([
  [Code.CANCELLED, 'cancelled'],
  [Code.INVALID_ARGUMENT, 'invalid'],
  [Code.DEADLINE_EXCEEDED, 'deadline'],
  [Code.NOT_FOUND, 'not-found'],
  [Code.ALREADY_EXISTS, 'exists'],
  [Code.PERMISSION_DENIED, 'denied'],
  [Code.UNAUTHENTICATED, 'denied'],
  [Code.RESOURCE_EXHAUSTED, 'exhausted'],
  [Code.FAILED_PRECONDITION, 'precondition'],
  [Code.ABORTED, 'unavailable'],
  [Code.OUT_OF_RANGE, 'out-of-range'],
  [Code.UNIMPLEMENTED, 'unimplemented'],
  [Code.UNAVAILABLE, 'unavailable'],
  [Code.DATA_LOSS, 'corrupt'],
])

const codes: ReadonlySet<number> = new Set(Object.values(Code))

/**
 * The one place where anything that was thrown becomes a gRPC status. A Failure keeps its text; anything that is
 * neither a Failure nor an RpcError is a bug: INTERNAL, without its text, which stays in `cause` for the log.
 */
export function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error
  // Its stack trace is that of the failure, which is its cause.
  if (error instanceof Failure)
    return withoutStack(() => new RpcError(codeOf[error.kind], failureText(error), [], error))
  return new RpcError(Code.INTERNAL, 'internal error', [], error)
}

/** The inverse: what a call's error means to a person. A Failure or any other error is returned unchanged. */
export function toFailure(error: unknown, where?: string): Failure {
  if (error instanceof Failure) return error
  const kind = error instanceof RpcError ? (kindOf.get(error.code) ?? 'internal') : 'internal'
  return new Failure(kind, error instanceof Error ? error.message : String(error), {
    cause: error,
    ...(where === undefined ? {} : { where }),
  })
}

/** True for an error that is our bug and belongs in the log. */
export function isBug(error: unknown): boolean {
  if (error instanceof RpcError) return error.code === Code.INTERNAL && error.cause !== undefined
  return !(error instanceof Failure) || error.kind === 'internal'
}

/** A google.rpc.Status as a plain object. */
export function statusMessage(error: RpcError): rpc.Status.$Properties {
  return {
    code: error.code,
    message: error.message,
    details: error.details.map(({ type_url, value }) => ({ type_url, value })),
  }
}

/** The error that a google.rpc.Status represents; undefined if it is OK or absent. */
export function errorOfStatus(status: rpc.Status.$Properties | null | undefined): RpcError | undefined {
  const code = status?.code ?? Code.OK
  if (code === Code.OK) return undefined
  const details = (status?.details ?? []).map((each) => ({
    type_url: each.type_url ?? '',
    value: each.value ?? new Uint8Array(0),
  }))
  return new RpcError(knownCode(code), status?.message ?? '', details)
}

/** A code from the wire; an unknown one counts as UNKNOWN. */
export function knownCode(code: number): Code {
  return codes.has(code) ? (code as Code) : Code.UNKNOWN
}

/** Clients commonly refuse more than 8 KiB of trailers in total; base64 makes 4/3 of these. */
const trailerDetailBytesMax = 5 * 1024

/**
 * The value of `grpc-status-details-bin`: undefined if the error has no details. Details too large for a trailer are
 * cut: a PreconditionFailure keeps as many violations as fit (the client fixes those and learns of the rest next time),
 * any other detail is left out.
 */
export function statusBytes(error: RpcError): Uint8Array | undefined {
  if (error.details.length === 0) return undefined
  const bytes = rpc.Status.encode(statusMessage(error)).finish()
  if (bytes.length <= trailerDetailBytesMax) return bytes
  let room = trailerDetailBytesMax - error.message.length
  const details: Detail[] = []
  for (const detail of error.details) {
    const cut = detail.value.length <= room ? detail : cutPrecondition(detail, room)
    if (!cut) continue
    details.push(cut)
    room -= cut.value.length + cut.type_url.length
  }
  return rpc.Status.encode(statusMessage(new RpcError(error.code, error.message, details))).finish()
}

function cutPrecondition(detail: Detail, room: number): Detail | undefined {
  const value = unpackAny(detail, preconditionType)
  if (!value) return undefined
  const violations: rpc.PreconditionFailure.Violation.$Properties[] = []
  let bytes = 0
  for (const violation of rpc.PreconditionFailure.decode(value).violations) {
    bytes += rpc.PreconditionFailure.Violation.encode(violation).finish().length + 3
    if (bytes > room) break
    violations.push(violation)
  }
  return packAny(preconditionType, rpc.PreconditionFailure.encode({ violations }).finish())
}

const preconditionType = 'google.rpc.PreconditionFailure'
/** Keeps an answer with this many in a message below 4 MiB. */
const violationsMax = 20_000

/**
 * Rule 25: blobs that an action needs are missing. One violation of type MISSING for each (up to 20,000; the rest
 * appears at the next attempt), which makes a client upload them and try again.
 */
export function missingBlobs(digests: readonly Digest[], message: string): RpcError {
  const violations = digests
    .slice(0, violationsMax)
    .map((digest) => ({ type: 'MISSING', subject: blobSubject(digest), description: '' }))
  const value = rpc.PreconditionFailure.encode({ violations }).finish()
  return new RpcError(Code.FAILED_PRECONDITION, message, [packAny(preconditionType, value)])
}

/** Rule 44: the condition is temporary; clients retry whatever carries a RetryInfo. */
export function retryLater(message: string, delayMs: number): RpcError {
  return new RpcError(Code.UNAVAILABLE, message, [retryInfo(delayMs)])
}

/** The same if a limit is reached: RESOURCE_EXHAUSTED. */
export function retryWhenThereIsRoom(message: string, delayMs: number): RpcError {
  return new RpcError(Code.RESOURCE_EXHAUSTED, message, [retryInfo(delayMs)])
}

/** Says that a retry makes sense, and when: Bazel then resets its retry count (rule 44). */
export function retryInfo(delayMs: number): Detail {
  return packAny('google.rpc.RetryInfo', rpc.RetryInfo.encode({ retryDelay: toDuration(delayMs) }).finish())
}

const errorInfoType = 'google.rpc.ErrorInfo'
const ownDomain = 'native'
const noWorkerReason = 'NO_WORKER'

/** Rule 26: a server has waited for a worker, and none came. Clients of ours do not have it wait once more. */
export function noWorkerCame(message: string): RpcError {
  const info = rpc.ErrorInfo.encode({ reason: noWorkerReason, domain: ownDomain }).finish()
  return new RpcError(Code.UNAVAILABLE, message, [packAny(errorInfoType, info)])
}

/** Was it thrown by `noWorkerCame`, here or by a server? */
export function isNoWorkerCame({ code, details }: RpcError): boolean {
  if (code !== Code.UNAVAILABLE) return false
  return details.some((detail) => {
    const value = unpackAny(detail, errorInfoType)
    if (!value) return false
    const { reason, domain } = rpc.ErrorInfo.decode(value)
    return reason === noWorkerReason && domain === ownDomain
  })
}

function failureText(failure: Failure): string {
  const where = failure.where === undefined ? '' : ` (${failure.where})`
  return [failure.message + where, ...failure.next].reduce((text, next) => `${text}${periodAfter(text)} ${next}`)
}

/** The full stop that a text lacks before another sentence follows. */
function periodAfter(text: string): string {
  return /[.!?]$/.test(text) ? '' : '.'
}
