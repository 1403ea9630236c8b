import type { Secret } from '../core/secret.ts'
import { type Call, type Channel, Code, RpcError } from './rpc.ts'

/** ASCII metadata with base64, rather than `-bin`, so that any transport carries it unchanged. */
const header = 'native-signature'

/**
 * The same channel, whose calls of one unary method prove that the caller knows the secret. Method and request are
 * signed, so that an intercepted signature is of no use for anything else.
 * @param signed `package.Service/Method`
 */
export function signedChannel(channel: Channel, secret: Secret, signed: string): Channel {
  return {
    ...channel,
    unary(method, request, options) {
      if (method !== signed) return channel.unary(method, request, options)
      const signature = secret.prove('native.worker.v1 request', method, request).toString('base64')
      return channel.unary(method, request, { ...options, metadata: { ...options?.metadata, [header]: signature } })
    },
  }
}

/**
 * Does a call prove that its caller knows the secret? One without a signature does not.
 * @throws RpcError UNAUTHENTICATED if there is a wrong signature
 */
export function isSigned(secret: Secret, request: Uint8Array, call: Pick<Call, 'method' | 'header'>): boolean {
  const signature = call.header(header)
  if (signature === undefined) return false
  if (secret.verify(Buffer.from(signature, 'base64'), 'native.worker.v1 request', call.method, request)) return true
  throw new RpcError(
    Code.UNAUTHENTICATED,
    `${header}: the request was signed with a different secret than this server's`,
  )
}
