import { withoutStack } from '../core/failure.ts'
import { printable } from '../core/printable.ts'
import { HttpError } from './http.ts'
import { Code } from './rpc.ts'
import { toRpcError } from './status.ts'

/** The longest error text, in characters. */
const textLengthMax = 500
/** The retry delay for a client that hit a limit, in seconds. */
const retryAfter = { 'retry-after': '1' }

/** The API's own mapping to HTTP, except for a full store and a damaged blob. */
const statusOf: Readonly<Record<Code, number>> = {
  [Code.OK]: 200,
  [Code.CANCELLED]: 408,
  [Code.UNKNOWN]: 500,
  [Code.INVALID_ARGUMENT]: 400,
  [Code.DEADLINE_EXCEEDED]: 408,
  [Code.NOT_FOUND]: 404,
  [Code.ALREADY_EXISTS]: 409,
  [Code.PERMISSION_DENIED]: 403,
  [Code.RESOURCE_EXHAUSTED]: 507,
  [Code.FAILED_PRECONDITION]: 409,
  [Code.ABORTED]: 409,
  [Code.OUT_OF_RANGE]: 416,
  [Code.UNIMPLEMENTED]: 501,
  [Code.INTERNAL]: 500,
  [Code.UNAVAILABLE]: 503,
  [Code.DATA_LOSS]: 500,
  [Code.UNAUTHENTICATED]: 401,
}

/** The one place where anything that was thrown becomes an HTTP response. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error
  const { code, message } = toRpcError(error)
  const fields = code === Code.UNAVAILABLE ? retryAfter : {}
  return withoutStack(() => new HttpError(statusOf[code], message, fields))
}

/** An error's text as a response body: one line, whatever it quotes. */
export function bodyOf({ message }: HttpError): Buffer {
  return Buffer.from(`${printable(message, textLengthMax)}\n`)
}
