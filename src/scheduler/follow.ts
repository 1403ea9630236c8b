import { Failure } from '../core/failure.ts'
import { chunkBytesMax } from '../core/limits.ts'
import { decodeMessage } from '../wire/decode.ts'
import { bytestream } from '../wire/proto.ts'
import { type Call, Code, RpcError, type Send, type Service } from '../wire/rpc.ts'
import type { Streams } from './streams.ts'

const prefix = 'streams/'

/**
 * ByteStream that also knows the names of running actions' output: reading one follows what the action prints until it
 * ends. All other names go to the cache.
 * @param cache the forwarded ByteStream
 */
export function withOutputStreams(cache: Service, streams: Streams): Service {
  const { Read } = cache.methods
  if (Read?.kind !== 'server-stream') throw new Failure('internal', 'ByteStream.Read is not a server-streaming method')
  return {
    name: cache.name,
    methods: {
      ...cache.methods,
      Read: {
        kind: 'server-stream',
        async handle(request, call, send) {
          const read = decodeMessage(bytestream.ReadRequest, request)
          if (!read.resourceName?.startsWith(prefix)) return Read.handle(request, call, send)
          await follow(streams, read, call, send)
        },
      },
    },
  }
}

async function follow(streams: Streams, request: bytestream.ReadRequest, call: Call, send: Send): Promise<void> {
  const output = streams.get(request.resourceName)
  if (!output) throw new RpcError(Code.NOT_FOUND, `there is no output stream "${request.resourceName.slice(0, 200)}"`)
  const offset = bounded(request.readOffset, 'read_offset')
  const limit = bounded(request.readLimit, 'read_limit')
  for await (const piece of output.read(offset, limit, call.signal))
    for (let at = 0; at < piece.byteLength; at += chunkBytesMax)
      await send(bytestream.ReadResponse.encode({ data: piece.subarray(at, at + chunkBytesMax) }).finish())
}

function bounded(value: number | null | undefined, field: string): number {
  const number = value ?? 0
  if (Number.isSafeInteger(number) && number >= 0) return number
  throw new RpcError(
    field === 'read_offset' ? Code.OUT_OF_RANGE : Code.INVALID_ARGUMENT,
    `${field} must not be negative`,
  )
}
