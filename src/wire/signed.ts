import type { Secret } from '../core/secret.ts'
import { type Call, type Channel, Code, RpcError } from './rpc.ts'

/** ASCII metadata with base64, rather than `-bin`, so that any transport carries it as it is. */
const header = 'native-signature'

/**
 * The same channel, whose calls of one unary method show that their caller knows the secret. Method
 * and request are signed, so that a signature which somebody catches says nothing but what it was made for.
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
 * Does a call show that its caller knows the secret? One without a signature does not.
 * @throws RpcError UNAUTHENTICATED when there is a signature and it is not right
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
