import { assertInstance, type InstanceNames } from '../core/instance.ts'
import { decodeMessage } from '../wire/decode.ts'
import { longrunning } from '../wire/proto.ts'
import { type Call, Code, RpcError, type Service } from '../wire/rpc.ts'
import { fromDuration } from '../wire/time.ts'
import type { SchedulerContext } from './context.ts'
import type { Engine } from './engine.ts'
import { operationNamed } from './execution.ts'

const pageDefault = 100
const pageMax = 1_000
/** Operations hold results of up to 4 MiB; a whole page must still fit into one message. */
const pageBytesMax = 3 * 1024 * 1024
const empty = new Uint8Array()

/** google.longrunning.Operations for what Execute started. */
export function operationsService(engine: Engine, context: SchedulerContext, instances: InstanceNames): Service {
  return {
    name: 'google.longrunning.Operations',
    methods: {
      GetOperation: {
        kind: 'unary',
        handle: (request) =>
          operationNamed(engine, decodeMessage(longrunning.GetOperationRequest, request).name ?? '').encode(),
      },
      ListOperations: {
        kind: 'unary',
        handle(bytes) {
          const request = decodeMessage(longrunning.ListOperationsRequest, bytes)
          assertInstance(collectionInstance(request.name), instances)
          return list(engine, request)
        },
      },
      CancelOperation: {
        kind: 'unary',
        handle(request, call) {
          const { name } = decodeMessage(longrunning.CancelOperationRequest, request)
          engine.tasks.cancel(operationNamed(engine, name ?? ''), `by a client at ${call.peer}`)
          return empty
        },
      },
      DeleteOperation: {
        kind: 'unary',
        handle(request) {
          const { name } = decodeMessage(longrunning.DeleteOperationRequest, request)
          const operation = operationNamed(engine, name ?? '')
          if (!operation.done)
            throw new RpcError(Code.FAILED_PRECONDITION, 'the operation has not ended: cancel it rather than delete it')
          engine.registry.forget(operation)
          return empty
        },
      },
      WaitOperation: {
        kind: 'unary',
        handle: (request, call) =>
          wait(engine, context, decodeMessage(longrunning.WaitOperationRequest, request), call),
      },
    },
  }
}

/** Waits until the operation is done, the time is up, or the client leaves; returns the state then. */
async function wait(
  engine: Engine,
  { clock, updateEveryMs }: SchedulerContext,
  request: longrunning.WaitOperationRequest,
  call: Call,
): Promise<Uint8Array> {
  const operation = operationNamed(engine, request.name ?? '')
  const until = request.timeout ? clock.now() + fromDuration(request.timeout) : Number.POSITIVE_INFINITY
  const release = engine.listen(operation, call.signal)
  try {
    while (!operation.done && !call.signal.aborted && clock.now() < until)
      await operation.changed(Math.min(updateEveryMs, until - clock.now()), clock, call.signal)
  } finally {
    release()
  }
  return operation.encode()
}

/** The instance whose operations are asked for: clients write `INSTANCE/operations`, `operations`, or just INSTANCE. */
function collectionInstance(name: string): string {
  return name === 'operations' ? '' : name.replace(/\/operations$/, '')
}

/** A page in creation order; the token is the name of the last operation shown. */
function list(engine: Engine, request: longrunning.ListOperationsRequest): Uint8Array {
  if (request.filter) throw new RpcError(Code.INVALID_ARGUMENT, 'filter: this server has no filters for operations')
  const size = Math.min(request.pageSize > 0 ? request.pageSize : pageDefault, pageMax)
  const { pageToken } = request
  const entries = engine.registry.entries()
  if (pageToken) skipTo(entries, pageToken)
  const operations: longrunning.Operation[] = []
  let bytes = 0
  let nextPageToken = ''
  for (const { operation } of entries) {
    const encoded = operation.encode()
    if (operations.length === size || (operations.length > 0 && bytes + encoded.byteLength > pageBytesMax)) {
      nextPageToken = operations.at(-1)?.name ?? ''
      break
    }
    operations.push(longrunning.Operation.decode(encoded))
    bytes += encoded.byteLength
  }
  return longrunning.ListOperationsResponse.encode({ operations, nextPageToken }).finish()
}

function skipTo(entries: IterableIterator<{ readonly operation: { readonly name: string } }>, token: string): void {
  for (let next = entries.next(); !next.done; next = entries.next()) if (next.value.operation.name === token) return
  throw new RpcError(
    Code.INVALID_ARGUMENT,
    'page_token: the operation that it names is no longer known; start again without a token',
  )
}
