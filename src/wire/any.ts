import type { Detail } from './rpc.ts'

const prefix = 'type.googleapis.com/'

/**
 * A google.protobuf.Any as a plain object.
 * @param typeName full name without a slash, for example `google.rpc.RetryInfo`
 * @param value the serialised message
 */
export function packAny(typeName: string, value: Uint8Array): Detail {
  return { type_url: prefix + typeName, value }
}

/**
 * The serialised message inside an Any, or undefined if the Any is absent or of another type. Only what follows the
 * last slash names the type (any.proto).
 */
export function unpackAny(
  any: { readonly type_url?: string | null; readonly value?: Uint8Array | null } | null | undefined,
  typeName: string,
): Uint8Array | undefined {
  const url = any?.type_url ?? ''
  return url.slice(url.lastIndexOf('/') + 1) === typeName ? (any?.value ?? new Uint8Array(0)) : undefined
}
