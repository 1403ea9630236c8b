import { constants } from 'node:http2'
import { expect, onTestFinished, test } from 'vitest'
import { Code, RpcError, type Service } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { grpcHeaders, rawSession } from './raw-client.ts'

/** A server with a method that waits until its client leaves, and how it has. */
async function opened() {
  const began = Promise.withResolvers<void>()
  const reason = Promise.withResolvers<unknown>()
  const service: Service = {
    name: 'test.Service',
    methods: {
      Wait: {
        kind: 'server-stream',
        async handle(_, { signal }) {
          began.resolve()
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
          reason.resolve(signal.reason)
        },
      },
    },
  }
  const server = await listen([service], { address: '127.0.0.1:0' })
  onTestFinished(() => server.close())
  const session = await rawSession(server.address)
  onTestFinished(() => session.destroy())
  return { session, began: began.promise, reason: reason.promise }
}

type Opened = Awaited<ReturnType<typeof opened>>
type Stream = ReturnType<Opened['session']['request']>

test.each<[string, number, Record<string, string>, (session: Opened['session'], stream: Stream) => void]>([
  ['resets with CANCEL', Code.CANCELLED, {}, (_, stream) => stream.close(constants.NGHTTP2_CANCEL)],
  // A proxy does so when its own client is gone.
  ['resets with another code', Code.UNAVAILABLE, {}, (_, stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)],
  ['breaks off', Code.UNAVAILABLE, {}, (session) => session.destroy()],
  ['has waited until its deadline', Code.DEADLINE_EXCEEDED, { 'grpc-timeout': '50m' }, () => undefined],
  // Some clients reset what is too late for them, a moment before our own timer ends.
  [
    'resets with CANCEL at its deadline',
    Code.UNAVAILABLE,
    { 'grpc-timeout': '900m' },
    (_, stream) => stream.close(constants.NGHTTP2_CANCEL),
  ],
])('a handler is told that its client %s', async (_, code, headers, leave) => {
  const { session, began, reason } = await opened()
  const stream = session.request({ ...grpcHeaders, ':path': '/test.Service/Wait', ...headers })
  stream.on('error', () => undefined)
  stream.end(Buffer.alloc(5))
  await began
  leave(session, stream)
  const told = await reason
  expect(told).toBeInstanceOf(RpcError)
  expect(told).toMatchObject({ code })
})
