import { type Door, type Operation, type Visitor, visitorOf } from './door.ts'
import { type Exchange, HttpError, type HttpHandler } from './http.ts'
import { Code, type RpcError } from './rpc.ts'

/** Both authentication schemes; the second makes Bazel ask its credential helper again. */
const challenge = 'Basic realm="native", charset="UTF-8", Bearer realm="native"'
const challengeAnew = `${challenge}, error="invalid_token"`

/** The handler, restricted to callers with the necessary rights. */
export function guarded(
  handle: HttpHandler,
  door: Door | undefined,
  operationOf: (exchange: Exchange) => Operation | undefined = () => undefined,
): HttpHandler {
  if (!door) return handle
  return async (exchange) => {
    const authorization = exchange.header('authorization')
    const visitor = await visitorOf(door, authorization, exchange.peer, { certificate: exchange.certificate })
    const operation = operationOf(exchange)
    const refusal = visitor.refusal(operation?.name ?? '')
    // Admitted callers may learn that a path does not exist.
    if (refusal && (operation || refusal.code === Code.UNAUTHENTICATED)) throw toHttp(refusal, authorization)
    if (operation && visitor.limited) visitor.assertInstance(operation)
    await whileAdmitted(visitor, authorization, handle(exchange))
  }
}

/** @throws HttpError 401 if the caller loses their rights meanwhile */
async function whileAdmitted(
  visitor: Visitor,
  authorization: string | undefined,
  answer: Promise<void>,
): Promise<void> {
  const ended = Promise.withResolvers<void>()
  const call = { revoked: (error: RpcError) => ended.reject(toHttp(error, authorization)) }
  visitor.calls.add(call)
  try {
    await Promise.race([answer, ended.promise])
  } finally {
    visitor.calls.delete(call)
  }
}

function toHttp({ code, message }: RpcError, authorization: string | undefined): HttpError {
  if (code === Code.PERMISSION_DENIED) return new HttpError(403, message)
  return new HttpError(401, message, { 'www-authenticate': authorization === undefined ? challenge : challengeAnew })
}
