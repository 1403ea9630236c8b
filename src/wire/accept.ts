import { ServerCall } from './call.ts'
import type { CallContext } from './call-context.ts'
import { type Visitor, visitorOf } from './door.ts'
import { errorTrailers, isGrpc, parseTimeout } from './headers.ts'
import { Code, RpcError } from './rpc.ts'
import { toRpcError } from './status.ts'
import type { Accept, Load, RequestHead, StreamIn, StreamOut } from './stream.ts'
import { WaitingCall } from './waiting-call.ts'

/** The gRPC layer: dispatches each stream to the handler of its path, or refuses it. */
export function createAccept(context: CallContext): Accept {
  return (head, out, load) => {
    const refused = refuseHttp(head, out)
    if (refused) return refused
    if (!context.door) return begin(context, head, out, load)
    const visitor = visitorOf(context.door, head.authorization, out.peer, load)
    if (!(visitor instanceof Promise)) return begin(context, head, out, load, visitor)
    return new WaitingCall(out, visitor, (known) => begin(context, head, out, load, known), context.log)
  }
}

/** Hands a call to its handler, if the caller is allowed to make it. */
function begin(context: CallContext, head: RequestHead, out: StreamOut, load: Load, visitor?: Visitor): StreamIn {
  const name = head.path.slice(1)
  const method = context.methods.get(name)
  const refusal = visitor?.refusal(name)
  // Admitted callers may learn that a method does not exist, so that clients can probe for optional ones.
  if (refusal && (method || refusal.code === Code.UNAUTHENTICATED)) return refuse(out, refusal)
  if (!method) return refuse(out, new RpcError(Code.UNIMPLEMENTED, `unknown method ${name.slice(0, 200)}`))
  const { encoding } = head
  if (encoding !== undefined && encoding !== 'identity' && encoding !== 'gzip') return refuseEncoding(out, encoding)
  try {
    const timeoutMs = head.timeout === undefined ? undefined : parseTimeout(head.timeout)
    return new ServerCall(context, name, method, head, timeoutMs, out, load, visitor)
  } catch (error) {
    return refuse(out, toRpcError(error))
  }
}

/** The gRPC layer for callers that are not admitted: every call gets the same error. */
export function createRefusal(error: RpcError): Accept {
  return (head, out) => refuseHttp(head, out) ?? refuse(out, error)
}

/** Anything that is not gRPC is answered in plain HTTP. */
function refuseHttp(head: RequestHead, out: StreamOut): StreamIn | undefined {
  if (head.method !== 'POST') out.refuse(405, 'gRPC calls are POST requests\n')
  else if (!isGrpc(head.contentType)) out.refuse(415, 'this address speaks gRPC: content-type application/grpc\n')
  else return undefined
  return ignored
}

function refuseEncoding(out: StreamOut, encoding: string): StreamIn {
  const error = new RpcError(Code.UNIMPLEMENTED, `unknown grpc-encoding ${encoding.slice(0, 50)}`)
  out.end(undefined, [...errorTrailers(error), ['grpc-accept-encoding', 'identity,gzip']])
  return ignored
}

function refuse(out: StreamOut, error: RpcError): StreamIn {
  out.end(undefined, errorTrailers(error))
  return ignored
}

/** Ignores the rest of a stream that has been answered. */
const ignored: StreamIn = {
  data: () => undefined,
  end: () => undefined,
  drained: () => undefined,
  closed: () => undefined,
  stalled: () => undefined,
  sweep: () => undefined,
}
