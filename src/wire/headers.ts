import { Code, RpcError } from './rpc.ts'
import { statusBytes } from './status.ts'
import type { Fields } from './stream.ts'

const msOf: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }
/** The limit of setTimeout; a later deadline is ignored. */
const timerMsMax = 2 ** 31 - 1

/**
 * Milliseconds of a `grpc-timeout` (at most 8 digits and a unit), or undefined if it is too far away to matter.
 * @throws RpcError INTERNAL for any other form, like other servers
 */
export function parseTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text)
  const unit = msOf[match?.[2] ?? '']
  if (!match || unit === undefined) throw new RpcError(Code.INTERNAL, 'malformed grpc-timeout')
  const ms = Math.ceil(Number(match[1]) * unit)
  return ms > timerMsMax ? undefined : ms
}

/** The trailers of a successful call. */
export const okTrailers: Fields = [['grpc-status', '0']]

/** A status message may be long; clients refuse trailers beyond 8 KiB. */
const messageLengthMax = 1024

/** The trailers of a failed call. */
export function errorTrailers(error: RpcError): Fields {
  const fields: [string, string][] = [['grpc-status', String(error.code)]]
  if (error.message !== '') fields.push(['grpc-message', percentEncode(error.message.slice(0, messageLengthMax))])
  const details = statusBytes(error)
  if (details) fields.push(['grpc-status-details-bin', Buffer.from(details).toString('base64').replace(/=+$/, '')])
  return fields
}

/** UTF-8 with everything but printable ASCII, and the percent sign itself, as %XX. */
function percentEncode(text: string): string {
  if (/^[ -$&-~]*$/.test(text)) return text
  let result = ''
  for (const byte of Buffer.from(text.toWellFormed()))
    result +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return result
}

/** Is a content type gRPC with protobuf messages? `application/grpc` and `+proto`, with optional parameters. */
export function isGrpc(contentType: string): boolean {
  return contentType === 'application/grpc' || /^application\/grpc(\+proto)?\s*(;|$)/.test(contentType)
}
