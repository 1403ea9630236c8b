import { once } from 'node:events'
import { createServer } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openDirectChannel } from '../../../src/wire/direct.ts'
import { encodeFields } from '../../../src/wire/http2/hpack.ts'
import { FrameType, preface } from '../../../src/wire/http2/protocol.ts'
import { RpcError } from '../../../src/wire/rpc.ts'
import { frame as message } from '../raw-client.ts'
import { data, frame, framesOf, settings } from './peer.ts'

const ok = encodeFields([
  [':status', '200'],
  ['content-type', 'application/grpc'],
])
const fine = encodeFields([['grpc-status', '0']])

const anyFrame = fc
  .record({
    type: fc.nat(12),
    flags: fc.constantFrom(0, 1, 4, 5, 8, 9, 12, 13, 32, 44, 255),
    id: fc.constantFrom(0, 1, 2, 3, 2 ** 31 - 1),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(ok, fine, message(Buffer.from('hello')), Buffer.alloc(8), Buffer.alloc(4, 1)),
    ),
  })
  .map(({ type, flags, id, payload }) => frame(type, flags, id, payload))

/** A server whose first connection answers the first request with these bytes; later ones answer well. */
async function servedBy(bytes: Uint8Array, greeting: Uint8Array) {
  let connections = 0
  const server = createServer((socket) => {
    const odd = connections++ === 0
    socket.on('error', () => undefined)
    socket.write(odd ? greeting : settings())
    framesOf(socket, preface.length, ({ type, flags, id }) => {
      if (type !== FrameType.DATA || (flags & 1) === 0) return
      if (odd) socket.end(bytes)
      else
        socket.write(
          Buffer.concat([frame(1, 4, id, ok), data(id, message(Buffer.from('well'))), frame(1, 5, id, fine)]),
        )
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `grpc://127.0.0.1:${address.port}`, close: () => server.close() }
}

/** What a call comes to: an answer, or an error of gRPC; anything else is a bug of ours. */
async function outcome(call: Promise<unknown>): Promise<'answer' | 'error'> {
  try {
    await call
    return 'answer'
  } catch (error) {
    expect(error).toBeInstanceOf(RpcError)
    return 'error'
  }
}

async function survives(bytes: Uint8Array, greeting: Uint8Array = settings()): Promise<void> {
  const { url, close } = await servedBy(bytes, greeting)
  const channel = openDirectChannel(url)
  try {
    const call = () => channel.unary('test.Service/Echo', Buffer.from('x'), { timeoutMs: 5000 })
    await outcome(call())
    // The first connection is over, and what came on it has not touched the channel.
    await expect.poll(() => outcome(call()), { interval: 5 }).toBe('answer')
  } finally {
    channel.close()
    close()
  }
}

test('whatever frames a server sends, a call ends in an answer or a status, and the next one is served', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyFrame, { maxLength: 12 }), (frames) => survives(Buffer.concat(frames))),
    { numRuns: 150 },
  )
})

test('whatever bytes a server sends, the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) => survives(bytes)),
    { numRuns: 100 },
  )
})

test('whatever a server greets with, the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, whole) =>
      survives(Buffer.alloc(0), whole ? frame(4, 0, 0, bytes) : bytes),
    ),
    { numRuns: 60 },
  )
})
