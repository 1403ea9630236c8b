import type { Field } from './http2/field.ts'
import { rpc } from './proto.ts'
import { Code, RpcError } from './rpc.ts'
import { errorOfStatus, knownCode } from './status.ts'

/**
 * The error in an answer's last fields; undefined if the call succeeded. Fields without a status are not a gRPC
 * response: INTERNAL.
 */
export function errorOfTrailers(fields: readonly Field[]): RpcError | undefined {
  const status = valueIn(fields, 'grpc-status')
  if (status === '0') return undefined
  if (status === undefined || !/^\d{1,3}$/.test(status))
    return new RpcError(Code.INTERNAL, 'the answer ended without a grpc-status')
  const details = valueIn(fields, 'grpc-status-details-bin')
  return answerError(
    Number(status),
    percentDecode(valueIn(fields, 'grpc-message') ?? ''),
    details === undefined ? undefined : Buffer.from(details, 'base64'),
  )
}

/**
 * The error that a call's status represents.
 * @param packed a google.rpc.Status; its details count if it has the same code
 */
export function answerError(code: number, message: string, packed: Uint8Array | undefined): RpcError {
  const status = packed && errorOfStatus(decodeStatus(packed))
  return status?.code === code ? status : new RpcError(knownCode(code), message)
}

/** The error of an answer that is not gRPC but a bare HTTP status ("HTTP to gRPC Status Code Mapping"). */
export function errorOfHttp(status: string): RpcError {
  const code = codeOfHttp.get(status) ?? Code.UNKNOWN
  return new RpcError(code, `the server answered with the HTTP status ${status.slice(0, 10)}`)
}

const codeOfHttp: ReadonlyMap<string, Code> = new Map([
  ['400', Code.INTERNAL],
  ['401', Code.UNAUTHENTICATED],
  ['403', Code.PERMISSION_DENIED],
  ['404', Code.UNIMPLEMENTED],
  ['429', Code.UNAVAILABLE],
  ['431', Code.RESOURCE_EXHAUSTED],
  ['502', Code.UNAVAILABLE],
  ['503', Code.UNAVAILABLE],
  ['504', Code.UNAVAILABLE],
])

function valueIn(fields: readonly Field[], wanted: string): string | undefined {
  return fields.find(({ name }) => name === wanted)?.value
}

/** Decodes UTF-8 in which some bytes are written as %XX; anything else is unchanged. */
function percentDecode(text: string): string {
  if (!text.includes('%')) return text
  const plain = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(plain, 'latin1').toString('utf8')
}

function decodeStatus(bytes: Uint8Array): rpc.Status | undefined {
  try {
    return rpc.Status.decode(bytes)
  } catch {
    // The status is kept even if its details cannot be parsed.
    return undefined
  }
}
