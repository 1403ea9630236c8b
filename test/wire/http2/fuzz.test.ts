import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeFields } from '../../../src/wire/http2/hpack.ts'
import { FrameParser, type FrameSink } from '../../../src/wire/http2/parser.ts'
import { preface } from '../../../src/wire/http2/protocol.ts'
import { listen } from '../../../src/wire/server.ts'
import { service } from '../fixture.ts'
import { frame as message, rawCall, rawSession } from '../raw-client.ts'
import { data, frame, headers, openPeer, requestFields, settings } from './peer.ts'

/** What a parser tells, with DATA joined: how it was cut into chunks does not show. */
function events(chunks: readonly Buffer[]): string[] {
  const told: string[] = []
  let payload = Buffer.alloc(0)
  const sink: FrameSink = {
    begins: () => void told.push('begins'),
    dataBegins: (id, bytes) => void told.push(`data ${id} ${bytes}`),
    data(chunk, start, end) {
      payload = Buffer.concat([payload, chunk.subarray(start, end)])
    },
    dataEnds(endStream) {
      told.push(`${payload.toString('hex')} ${endStream}`)
      payload = Buffer.alloc(0)
    },
    frame: (type, flags, id, buffer, start, end) =>
      void told.push(`${type} ${flags} ${id} ${buffer.toString('hex', start, end)}`),
  }
  const parser = new FrameParser(sink)
  for (const chunk of chunks) parser.push(chunk)
  return told
}

const anyFrame = fc
  .record({
    type: fc.nat(12),
    flags: fc.constantFrom(0, 1, 4, 5, 8, 9, 12, 13, 32, 44, 255),
    id: fc.constantFrom(0, 1, 2, 3, 5, 7, 2 ** 31 - 1),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(encodeFields(requestFields), message(Buffer.from('hello')), Buffer.alloc(8), Buffer.alloc(4, 1)),
    ),
  })
  .map(({ type, flags, id, payload }) => frame(type, flags, id, payload))

test('frames are the same however the bytes were cut', () => {
  const bytes = Buffer.concat([
    preface,
    settings([3, 100]),
    headers(1),
    data(1, Buffer.from('hello')),
    frame(0, 9, 1, Buffer.from([3, 1, 2, 0, 0, 0])),
    frame(0, 9, 3, Buffer.from([0])),
    data(3, Buffer.alloc(0), true),
    frame(6, 0, 0, Buffer.alloc(8, 5)),
    frame(4, 1, 0),
  ])
  const whole = events([bytes])
  expect(whole).toHaveLength(13)
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 60 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), bytes.length]
      expect(events(places.slice(1).map((end, at) => bytes.subarray(places[at], end)))).toEqual(whole)
    }),
  )
  expect(events([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole)
})

test('whatever frames a client sends, the server goes on serving others and has no bug', async () => {
  const bugs: unknown[] = []
  const server = await listen(
    [
      service({
        Echo: { kind: 'unary', handle: async (request) => request },
        Talk: {
          kind: 'bidi',
          async handle(requests, _call, send) {
            for await (const each of requests) await send(each)
          },
        },
      }),
    ],
    { address: '127.0.0.1:0', log: { error: (text, fields) => bugs.push([text, fields]) } },
  )
  const talk = requestFields.map(([name, value]) => [name, name === ':path' ? '/test.Service/Talk' : value] as const)
  await fc.assert(
    fc.asyncProperty(fc.array(anyFrame, { maxLength: 30 }), fc.boolean(), async (frames, streaming) => {
      const opened = await openPeer(server.address)
      opened.send(headers(1, streaming ? talk : requestFields), ...frames)
      opened.socket.end()
      await opened.closed
    }),
    { numRuns: 300 },
  )
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const opened = await openPeer(server.address)
      opened.send(bytes)
      opened.socket.end()
      await opened.closed
    }),
    { numRuns: 100 },
  )
  const session = await rawSession(server.address)
  expect(await rawCall(session, 'Echo', [message(Buffer.from('still here'))])).toMatchObject({ grpcStatus: '0' })
  session.destroy()
  await server.close()
  expect(bugs).toEqual([])
})
