import { type CallContext, ServerCall } from './call.ts'
import { errorTrailers, isGrpc, parseTimeout } from './headers.ts'
import { Code, RpcError } from './rpc.ts'
import { toRpcError } from './status.ts'
import type { Accept, RequestHead, StreamIn, StreamOut } from './stream.ts'

/** The gRPC layer: gives each stream to the handler of its path, or refuses it. */
export function createAccept(context: CallContext): Accept {
  return (head, out, load) => {
    const refused = refuseHttp(head, out)
    if (refused) return refused
    const name = head.path.slice(1)
    const method = context.methods.get(name)
    if (!method) return refuse(out, new RpcError(Code.UNIMPLEMENTED, `unknown method ${name.slice(0, 200)}`))
    const { encoding } = head
    if (encoding !== undefined && encoding !== 'identity' && encoding !== 'gzip') return refuseEncoding(out, encoding)
    try {
      const timeoutMs = head.timeout === undefined ? undefined : parseTimeout(head.timeout)
      return new ServerCall(context, name, method, head, timeoutMs, out, load)
    } catch (error) {
      return refuse(out, toRpcError(error))
    }
  }
}

/** What is not gRPC at all is answered in plain HTTP. */
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

/** The rest of a stream that has its answer. */
const ignored: StreamIn = {
  data: () => undefined,
  end: () => undefined,
  drained: () => undefined,
  closed: () => undefined,
}
