import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { ChannelOptions } from '../../src/wire/channel-options.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { encodeFields } from '../../src/wire/http2/hpack.ts'
import { ErrorCode, FrameType, preface, Setting } from '../../src/wire/http2/protocol.ts'
import { Code } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { aborted, all, gate, service } from './fixture.ts'
import { codeOf, data, type Frame, frame, framesOf, settings, uint32 } from './http2/peer.ts'
import { frame as message } from './raw-client.ts'
import { transportSuite } from './transport-suite.ts'

transportSuite('over the network, our own client', async (services) => {
  const server = await listen(services, { address: '127.0.0.1:0' })
  const channel = openDirectChannel(`grpc://${server.address}`)
  return {
    channel,
    async close() {
      channel.close()
      await server.close()
    },
  }
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const ok = encodeFields([
  [':status', '200'],
  ['content-type', 'application/grpc'],
])
const headers = (id: number, block: Uint8Array, endStream = false) =>
  frame(FrameType.HEADERS, endStream ? 5 : 4, id, block)
const trailers = (id: number, ...fields: [string, string][]) => headers(id, encodeFields(fields), true)
const answer = (id: number, text: string) => [
  headers(id, ok),
  data(id, message(Buffer.from(text))),
  trailers(id, ['grpc-status', '0']),
]
const reset = (id: number, code: number) => frame(FrameType.RST_STREAM, 0, id, uint32(code))
const goAway = (lastId: number) => frame(FrameType.GOAWAY, 0, 0, Buffer.concat([uint32(lastId), uint32(0)]))

interface Line {
  readonly socket: Socket
  readonly seen: readonly Frame[]
  send(...frames: readonly Uint8Array[]): void
}

/** A server that does what a test says with each frame that comes, and a channel to it. */
async function scripted(
  react: (frame: Frame, line: Line) => void,
  options: ChannelOptions = {},
  greeting = settings(),
) {
  const lines: Line[] = []
  const server = createServer((socket) => {
    const line = {
      socket,
      seen: framesOf(socket, preface.length, (each) => react(each, line)),
      send: (...frames: readonly Uint8Array[]) => void socket.write(Buffer.concat(frames)),
    }
    lines.push(line)
    socket.on('error', () => undefined)
    socket.write(greeting)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const channel = openDirectChannel(`grpc://127.0.0.1:${port}`, options)
  cleanups.push(() => {
    channel.close()
    for (const { socket } of lines) socket.destroy()
    server.close()
  })
  return { channel, lines, call: (text = '') => channel.unary('test.Service/Echo', Buffer.from(text)).then(String) }
}

const endsRequest = ({ type, flags }: Frame) => type === FrameType.DATA && (flags & 1) !== 0

describe('what a server does', () => {
  test('goes away: calls that it took are answered, the others are UNAVAILABLE, the next go elsewhere', async () => {
    const { call, lines } = await scripted((each, line) => {
      if (!endsRequest(each)) return
      if (lines.length > 1) line.send(...answer(each.id, 'new'))
      else if (each.id === 3) line.send(goAway(1), ...answer(1, 'old'))
    })
    const [first, second] = await Promise.allSettled([call(), call()])
    expect(first).toMatchObject({ value: 'old' })
    expect(second).toMatchObject({ reason: { code: Code.UNAVAILABLE } })
    expect(await call()).toBe('new')
    await expect.poll(() => lines[0]?.socket.destroyed).toBe(true)
  })

  test.each([
    [ErrorCode.REFUSED_STREAM, Code.UNAVAILABLE],
    [ErrorCode.CANCEL, Code.CANCELLED],
    [ErrorCode.ENHANCE_YOUR_CALM, Code.RESOURCE_EXHAUSTED],
    [ErrorCode.PROTOCOL_ERROR, Code.INTERNAL],
  ])('resets a stream with %i: that is %i, and the connection lives', async (http2, grpc) => {
    const { call, lines } = await scripted((each, line) => {
      if (endsRequest(each)) line.send(...(each.id === 1 ? [reset(1, http2)] : answer(each.id, 'fine')))
    })
    await expect(call()).rejects.toMatchObject({ code: grpc })
    expect(await call()).toBe('fine')
    expect(lines).toHaveLength(1)
  })

  test('closes the connection in the middle of a call: UNAVAILABLE, and the next call makes another', async () => {
    const { call, lines } = await scripted((each, line) => {
      if (!endsRequest(each)) return
      if (lines.length > 1) line.send(...answer(each.id, 'again'))
      else line.socket.end(headers(each.id, ok))
    })
    await expect(call()).rejects.toMatchObject({ code: Code.UNAVAILABLE })
    expect(await call()).toBe('again')
  })

  test.each<[string, (id: number) => Uint8Array]>([
    ['a frame of a stream that nobody opened', () => data(99, Buffer.from('x'))],
    ['a push', (id) => frame(FrameType.PUSH_PROMISE, 4, id, uint32(2))],
    ['a window of nothing', () => frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(0))],
    ['a window beyond all bounds', () => frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(2 ** 31 - 1))],
    ['headers that are not headers', (id) => headers(id, Buffer.from([0xff, 0xff, 0xff, 0xff]))],
    ['a half header block, then something else', (id) => Buffer.concat([frame(1, 0, id, ok), data(id, ok)])],
    ['a frame beyond its size', () => frame(FrameType.PING, 0, 0, Buffer.alloc(17_000))],
    ['a malformed ping', () => frame(FrameType.PING, 0, 0, Buffer.alloc(7))],
    ['HTTP/1.1', () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('breaks the protocol with %s: UNAVAILABLE, and it is told why', async (_, bytes) => {
    const { call, lines } = await scripted((each, line) => {
      if (endsRequest(each)) line.send(lines.length > 1 ? Buffer.concat(answer(each.id, 'ok')) : bytes(each.id))
    })
    await expect(call()).rejects.toMatchObject({ code: Code.UNAVAILABLE })
    await expect.poll(() => lines[0]?.seen.some(({ type }) => type === FrameType.GOAWAY)).toBe(true)
    expect(await call()).toBe('ok')
  })

  test.each<[string, (id: number) => Uint8Array[], Code]>([
    ['a status without an answer', (id) => [headers(id, ok), trailers(id, ['grpc-status', '0'])], Code.INTERNAL],
    ['two answers', (id) => [headers(id, ok), data(id, Buffer.concat([message(ok), message(ok)]))], Code.INTERNAL],
    ['no status', (id) => [headers(id, ok), data(id, message(ok), true)], Code.INTERNAL],
    ['trailers without a status', (id) => [headers(id, ok), trailers(id, ['x', 'y'])], Code.INTERNAL],
    [
      'half a message',
      (id) => [headers(id, ok), data(id, ok.subarray(0, 3)), trailers(id, ['grpc-status', '0'])],
      Code.INTERNAL,
    ],
    ['a body before its headers', (id) => [data(id, message(ok))], Code.INTERNAL],
    [
      'a message that is too long',
      (id) => [headers(id, ok), data(id, message(ok, { length: 2 ** 30 }))],
      Code.RESOURCE_EXHAUSTED,
    ],
    ['a compressed message', (id) => [headers(id, ok), data(id, message(ok, { flag: 1 }))], Code.INTERNAL],
    ['HTTP 503', (id) => [headers(id, encodeFields([[':status', '503']]), true)], Code.UNAVAILABLE],
    ['HTTP 404', (id) => [headers(id, encodeFields([[':status', '404']]))], Code.UNIMPLEMENTED],
    ['an unknown status', (id) => [trailers(id, [':status', '200'], ['grpc-status', '77'])], Code.UNKNOWN],
  ])('answers with %s: an error of that call alone', async (_, bytes, code) => {
    const { call, lines } = await scripted((each, line) => {
      if (endsRequest(each)) line.send(...(each.id === 1 ? bytes(1) : answer(each.id, 'fine')))
    })
    await expect(call()).rejects.toMatchObject({ code })
    expect(await call()).toBe('fine')
    expect(lines).toHaveLength(1)
  })

  test('says something before its answer, in pieces of one byte: nothing is lost', async () => {
    const { call } = await scripted((each, line) => {
      if (!endsRequest(each)) return
      const early = headers(each.id, encodeFields([[':status', '103']]))
      for (const byte of Buffer.concat([early, ...answer(each.id, 'whole')])) line.socket.write(Buffer.from([byte]))
    })
    expect(await call()).toBe('whole')
  })

  test('says nothing any more: it is asked, and given up when it does not answer', async () => {
    const { call, lines } = await scripted(
      (each, line) => {
        if (lines.length > 1 && endsRequest(each)) line.send(...answer(each.id, 'awake'))
      },
      { keepaliveMs: 50 },
    )
    await expect(call()).rejects.toMatchObject({ code: Code.UNAVAILABLE })
    expect(lines[0]?.seen.some(({ type }) => type === FrameType.PING)).toBe(true)
    expect(await call()).toBe('awake')
  })

  test('allows two streams: a third goes over another connection', async () => {
    const { call, lines } = await scripted(
      (each, line) => {
        if (each.type === FrameType.SETTINGS || !endsRequest(each)) return
        const waiting = lines.flatMap(({ seen }) => seen.filter(endsRequest))
        if (waiting.length === 4)
          for (const each of lines) for (const { id } of each.seen.filter(endsRequest)) each.send(...answer(id, 'x'))
        else if (each.id === 1 && lines.length === 1 && waiting.length === 1) line.send(...answer(1, 'first'))
      },
      {},
      settings([Setting.MAX_CONCURRENT_STREAMS, 2]),
    )
    expect(await call()).toBe('first')
    await Promise.all([call(), call(), call()])
    expect(lines).toHaveLength(2)
  })

  test('takes little at a time: no byte more than allowed is sent, and all of it in the end', async () => {
    const bytes = Buffer.alloc(200_000, 7)
    let allowed = 1000
    let sent = 0
    const { channel } = await scripted(
      (each, line) => {
        if (each.type !== FrameType.DATA) return
        sent += each.payload.length
        expect(sent).toBeLessThanOrEqual(allowed)
        if ((each.flags & 1) !== 0) line.send(...answer(each.id, String(sent)))
        else if (sent === allowed) {
          allowed += 30_000
          line.send(frame(8, 0, 0, uint32(30_000)), frame(8, 0, each.id, uint32(30_000)))
        }
      },
      {},
      settings([Setting.INITIAL_WINDOW_SIZE, 1000]),
    )
    // The server's first word comes before the request.
    await channel.unary('test.Service/Echo', Buffer.alloc(0)).catch(() => undefined)
    sent = 0
    expect(String(await channel.unary('test.Service/Echo', bytes))).toBe(String(bytes.length + 5))
  })
})

test('a call that is cancelled or late is reset, and what comes for it later does no harm', async () => {
  const { channel, lines, call } = await scripted((each, line) => {
    if (each.type === FrameType.RST_STREAM) line.send(...answer(each.id, 'late'))
    else if (endsRequest(each) && each.id === 5) line.send(...answer(5, 'fine'))
  })
  const controller = new AbortController()
  const cancelled = channel.unary('test.Service/Echo', Buffer.alloc(0), { signal: controller.signal })
  setImmediate(() => controller.abort())
  await expect(cancelled).rejects.toMatchObject({ code: Code.CANCELLED })
  await expect(channel.unary('test.Service/Echo', Buffer.alloc(0), { timeoutMs: 20 })).rejects.toMatchObject({
    code: Code.DEADLINE_EXCEEDED,
  })
  expect(await call()).toBe('fine')
  const resets = lines[0]?.seen.filter(({ type }) => type === FrameType.RST_STREAM) ?? []
  expect(resets.map((each) => [each.id, codeOf(each)])).toEqual([
    [1, ErrorCode.CANCEL],
    [3, ErrorCode.CANCEL],
  ])
})

test('a signal that has aborted already begins no call', async () => {
  const { channel, lines } = await scripted(() => undefined)
  const options = { signal: AbortSignal.abort() }
  await expect(channel.unary('test.Service/Echo', Buffer.alloc(0), options)).rejects.toMatchObject({
    code: Code.CANCELLED,
  })
  await expect(all(channel.serverStream('test.Service/Echo', Buffer.alloc(0), options))).rejects.toMatchObject({
    code: Code.CANCELLED,
  })
  expect(lines).toHaveLength(0)
})

test('closing ends the calls, and there are no more', async () => {
  const { channel, call } = await scripted(() => undefined)
  const waiting = call()
  channel.close()
  await expect(waiting).rejects.toMatchObject({ code: Code.UNAVAILABLE })
  await expect(call()).rejects.toMatchObject({ code: Code.UNAVAILABLE })
})

test('metadata that HTTP/2 cannot carry is refused before anything is sent', async () => {
  const { channel } = await scripted(() => undefined)
  for (const metadata of [{ 'x y': '1' }, { x: 'a\r\nb' }, { ':path': '/' }] as Record<string, string>[])
    await expect(channel.unary('test.Service/Echo', Buffer.alloc(0), { metadata })).rejects.toMatchObject({
      code: Code.INTERNAL,
    })
  await expect(
    channel.unary('test.Service/Echo', Buffer.alloc(0), { metadata: { x: 'a'.repeat(20_000) } }),
  ).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED })
})

test('many slow readers of large answers do not stop other calls', async () => {
  const server = await listen(
    [
      service({
        Flood: {
          kind: 'server-stream',
          async handle(_request, call, send) {
            while (!call.signal.aborted) await send(Buffer.alloc(256 * 1024))
          },
        },
        Stay: {
          kind: 'bidi',
          async handle(_requests, call) {
            await aborted(call)
          },
        },
        Echo: { kind: 'unary', handle: (request) => request },
      }),
    ],
    { address: '127.0.0.1:0' },
  )
  const channel = openDirectChannel(`grpc://${server.address}`)
  cleanups.push(
    () => server.close(),
    () => channel.close(),
  )
  const readers = Array.from({ length: 20 }, () =>
    channel.serverStream('test.Service/Flood', Buffer.alloc(0))[Symbol.asyncIterator](),
  )
  for (const reader of readers) expect((await reader.next()).value).toHaveLength(256 * 1024)
  for (let round = 0; round < 50; round += 1)
    expect(String(await channel.unary('test.Service/Echo', Buffer.from(`${round}`)))).toBe(`${round}`)
  for (const reader of readers) await reader.return?.()
  expect(String(await channel.unary('test.Service/Echo', Buffer.from('after')))).toBe('after')
})

test('a server that drains: the call in flight ends well, and the next one finds the server that comes after it', async () => {
  const started = gate()
  const go = gate()
  const methods = service({
    Slow: {
      kind: 'unary',
      async handle(request) {
        started.open()
        await go.opened
        return request
      },
    },
  })
  const first = await listen([methods], { address: '127.0.0.1:0' })
  const channel = openDirectChannel(`grpc://${first.address}`)
  cleanups.push(() => channel.close())
  const inFlight = channel.unary('test.Service/Slow', Buffer.from('in flight'))
  await started.opened
  const drained = first.drain(10_000)
  go.open()
  expect(String(await inFlight)).toBe('in flight')
  await drained
  await expect(channel.unary('test.Service/Slow', Buffer.alloc(0))).rejects.toMatchObject({ code: Code.UNAVAILABLE })
  const second = await listen([methods], { address: first.address })
  cleanups.push(() => second.close())
  expect(String(await channel.unary('test.Service/Slow', Buffer.from('next')))).toBe('next')
})
