import { once } from 'node:events'
import { constants } from 'node:http2'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { openChannel } from '../../src/wire/channel.ts'
import { Code, type RpcServer, type Service } from '../../src/wire/rpc.ts'
import { type ListenOptions, listen } from '../../src/wire/server.ts'
import { aborted, all, gate, pattern, service, standsStill } from './fixture.ts'
import { frame, grpcHeaders, rawCall, rawSession } from './raw-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(methods: Service['methods'], options: Partial<ListenOptions> = {}): Promise<RpcServer> {
  const server = await listen([service(methods)], { address: '127.0.0.1:0', ...options })
  cleanups.push(() => server.close())
  return server
}

async function raw(methods: Service['methods'], options: Partial<ListenOptions> = {}) {
  const session = await rawSession((await start(methods, options)).address)
  cleanups.push(() => session.destroy())
  return session
}

const echo: Service['methods'] = { Echo: { kind: 'unary', handle: (request) => request } }
const hello = frame(Buffer.from('hello'))

describe('requests that are not gRPC', () => {
  test('another content type is 415', async () => {
    const session = await raw(echo)
    for (const type of ['application/json', 'application/grpc-web', 'application/grpc+json'])
      expect(await rawCall(session, 'Echo', [hello], { 'content-type': type })).toMatchObject({ status: 415 })
  })

  test('the usual forms of the content type are taken', async () => {
    const session = await raw(echo)
    for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc; charset=utf-8'])
      expect(await rawCall(session, 'Echo', [hello], { 'content-type': type })).toMatchObject({ grpcStatus: '0' })
  })

  test('another HTTP method is 405', async () => {
    const session = await raw(echo)
    expect(await rawCall(session, 'Echo', [], { ':method': 'PUT' })).toMatchObject({ status: 405 })
  })

  test('HTTP/1.1 gets a plain answer, or at least an end', async () => {
    const { address } = await start(echo)
    const socket = connect(Number(address.split(':')[1]), '127.0.0.1')
    socket.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
  })

  test('garbage ends its connection, not the server', async () => {
    const server = await start(echo)
    const socket = connect(Number(server.address.split(':')[1]), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), pattern(100_000)]))
    socket.resume()
    await once(socket, 'close')
    const session = await rawSession(server.address)
    expect(await rawCall(session, 'Echo', [hello])).toMatchObject({ grpcStatus: '0' })
    session.destroy()
  })
})

describe('messages', () => {
  test('one that comes byte by byte is whole in the end', async () => {
    const session = await raw(echo)
    const bytes = [...hello].map((byte) => Buffer.from([byte]))
    expect(await rawCall(session, 'Echo', bytes)).toMatchObject({ grpcStatus: '0', body: hello })
  })

  test('a request that ends in the middle of a message is INTERNAL', async () => {
    const session = await raw(echo)
    for (const cut of [1, 4, 6, 9])
      expect(await rawCall(session, 'Echo', [hello.subarray(0, cut)])).toMatchObject({
        status: 200,
        grpcStatus: String(Code.INTERNAL),
      })
  })

  test('no message, or two, where one is due is INTERNAL', async () => {
    const session = await raw(echo)
    expect(await rawCall(session, 'Echo', [])).toMatchObject({ grpcStatus: String(Code.INTERNAL) })
    expect(await rawCall(session, 'Echo', [hello, hello])).toMatchObject({ grpcStatus: String(Code.INTERNAL) })
  })

  test('unknown flags are INTERNAL', async () => {
    const session = await raw(echo)
    expect(await rawCall(session, 'Echo', [frame(Buffer.from('x'), { flag: 2 })])).toMatchObject({
      grpcStatus: String(Code.INTERNAL),
    })
  })

  test('one that announces too much is RESOURCE_EXHAUSTED before it comes', async () => {
    const session = await raw(echo, { receiveBytesMax: 1000 })
    const answer = await rawCall(session, 'Echo', [frame(Buffer.alloc(0), { length: 1001 })])
    expect(answer).toMatchObject({ status: 200, grpcStatus: String(Code.RESOURCE_EXHAUSTED) })
    expect(answer.grpcMessage).toContain('1000')
    expect(await rawCall(session, 'Echo', [frame(pattern(1000))])).toMatchObject({ grpcStatus: '0' })
  })

  test('gzip is unpacked, a bomb and rubbish are refused', async () => {
    const session = await raw(echo, { receiveBytesMax: 1_000_000 })
    const gzip = { 'grpc-encoding': 'gzip' }
    const packed = frame(gzipSync(pattern(5000)), { flag: 1 })
    expect(await rawCall(session, 'Echo', [packed], gzip)).toMatchObject({ body: frame(pattern(5000)) })
    expect(await rawCall(session, 'Echo', [hello], gzip)).toMatchObject({ body: hello })
    const bomb = frame(gzipSync(Buffer.alloc(50_000_000)), { flag: 1 })
    expect(bomb.length).toBeLessThan(100_000)
    expect(await rawCall(session, 'Echo', [bomb], gzip)).toMatchObject({ grpcStatus: String(Code.RESOURCE_EXHAUSTED) })
    const rubbish = frame(pattern(100), { flag: 1 })
    expect(await rawCall(session, 'Echo', [rubbish], gzip)).toMatchObject({ grpcStatus: String(Code.INTERNAL) })
    expect(await rawCall(session, 'Echo', [packed])).toMatchObject({ grpcStatus: String(Code.INTERNAL) })
  })

  test('an unknown encoding is UNIMPLEMENTED and told which are known', async () => {
    const session = await raw(echo)
    const answer = await rawCall(session, 'Echo', [hello], { 'grpc-encoding': 'snappy' })
    expect(answer.grpcStatus).toBe(String(Code.UNIMPLEMENTED))
    expect(answer.headers['grpc-accept-encoding']).toBe('identity,gzip')
  })

  test('a malformed grpc-timeout is INTERNAL', async () => {
    const session = await raw(echo)
    for (const timeout of ['', '5', '123456789S', '1x', '-1S'])
      expect(await rawCall(session, 'Echo', [hello], { 'grpc-timeout': timeout })).toMatchObject({
        grpcStatus: String(Code.INTERNAL),
      })
  })
})

describe('calls', () => {
  test('a bug is told to the log with its call, and to the client without its text', async () => {
    const logged: unknown[] = []
    const bug = new TypeError('secret')
    const session = await raw(
      {
        Bug: {
          kind: 'unary',
          handle() {
            throw bug
          },
        },
      },
      { log: { error: (message, fields) => logged.push({ message, ...fields }) } },
    )
    const answer = await rawCall(session, 'Bug', [hello])
    expect(answer).toMatchObject({ grpcStatus: '13', grpcMessage: 'internal error' })
    expect(logged).toMatchObject([{ method: 'test.Service/Bug', error: bug }])
  })

  test('the end of each call is observed with its code', async () => {
    const seen: [string, number][] = []
    const session = await raw(echo, { observe: (method, code) => seen.push([method, code]) })
    await rawCall(session, 'Echo', [hello])
    await rawCall(session, 'Echo', [])
    expect(seen).toEqual([
      ['test.Service/Echo', Code.OK],
      ['test.Service/Echo', Code.INTERNAL],
    ])
  })

  test('rule 7: the answer comes early and complete, and the rest of the request does no harm', async () => {
    const session = await raw({
      Early: {
        kind: 'client-stream',
        async handle(requests) {
          for await (const first of requests) return first
          return Buffer.alloc(0)
        },
      },
    })
    const rest = Array.from({ length: 64 }, () => frame(Buffer.alloc(256 * 1024)))
    const answer = await rawCall(session, 'Early', [hello, ...rest])
    expect(answer).toMatchObject({ grpcStatus: '0', body: hello, rstCode: constants.NGHTTP2_NO_ERROR })
  })

  test('a lost connection aborts the handler', async () => {
    const started = gate()
    const seen = gate<unknown>()
    const session = await raw({
      Wait: {
        kind: 'client-stream',
        async handle(_requests, call) {
          started.open()
          seen.open(await aborted(call))
          return Buffer.alloc(0)
        },
      },
    })
    session.request({ ...grpcHeaders, ':path': '/test.Service/Wait' }).on('error', () => undefined)
    await started.opened
    session.destroy()
    expect(await seen.opened).toMatchObject({ code: Code.UNAVAILABLE })
  })

  test('headers beyond all measure end the call, not the server', async () => {
    const server = await start(echo)
    const session = await rawSession(server.address)
    cleanups.push(() => session.destroy())
    const answer = await rawCall(session, 'Echo', [hello], { 'x-large': 'a'.repeat(60_000) })
    expect(answer.grpcStatus).not.toBe('0')
    const other = await rawSession(server.address)
    cleanups.push(() => other.destroy())
    expect(await rawCall(other, 'Echo', [hello])).toMatchObject({ grpcStatus: '0' })
  })

  test('10,000 open streams take little memory, and all of them end well', async () => {
    let open = 0
    const everyoneHere = gate()
    const session = await raw({
      Collect: {
        kind: 'client-stream',
        async handle(requests) {
          open += 1
          if (open === 10_000) everyoneHere.open()
          let bytes = 0
          for await (const each of requests) bytes += each.length
          return Buffer.from(String(bytes))
        },
      },
    })
    const before = process.memoryUsage()
    const streams = Array.from({ length: 10_000 }, () => {
      const stream = session.request({ ...grpcHeaders, ':path': '/test.Service/Collect' })
      stream.write(hello)
      return stream
    })
    const ends = streams.map(async (stream) => {
      let status: unknown
      stream.on('trailers', (fields) => {
        status = fields['grpc-status']
      })
      stream.resume()
      await once(stream, 'close')
      return status
    })
    await everyoneHere.opened
    const after = process.memoryUsage()
    // Client and server together; a node:http2 client stream alone takes about 10 KiB.
    expect(after.rss - before.rss).toBeLessThan(600 * 1024 * 1024)
    for (const stream of streams) stream.end()
    expect(new Set(await Promise.all(ends))).toEqual(new Set(['0']))
  }, 30_000)

  test('a client that never reads makes the server hold no more than its windows', async () => {
    let sent = 0
    const begun = gate()
    const session = await raw({
      Flood: {
        kind: 'server-stream',
        async handle(_request, _call, send) {
          begun.open()
          for (; sent < 1024; sent += 1) await send(Buffer.alloc(256 * 1024))
        },
      },
    })
    const stream = session.request({ ...grpcHeaders, ':path': '/test.Service/Flood' })
    stream.on('error', () => undefined)
    stream.end(hello)
    await begun.opened
    await standsStill(
      () => sent,
      () => new Promise((resolve) => session.ping(resolve)),
    )
    expect(sent * 256 * 1024).toBeLessThan(8 * 1024 * 1024)
  })
})

describe('drain', () => {
  test('calls in flight end well, then the server is closed', async () => {
    const started = gate()
    const go = gate()
    const server = await start({
      Slow: {
        kind: 'unary',
        async handle(request) {
          started.open()
          await go.opened
          return request
        },
      },
    })
    const channel = openChannel(`grpc://${server.address}`)
    cleanups.push(() => channel.close())
    const call = channel.unary('test.Service/Slow', Buffer.from('in flight'))
    await started.opened
    const drained = server.drain(10_000)
    go.open()
    expect((await call).toString()).toBe('in flight')
    await drained
    await expect(channel.unary('test.Service/Slow', Buffer.alloc(0))).rejects.toMatchObject({ code: Code.UNAVAILABLE })
  })

  test('calls that do not end are cut off when the time is over', async () => {
    const started = gate()
    const seen = gate<unknown>()
    const server = await start({
      Stuck: {
        kind: 'server-stream',
        async handle(_request, call) {
          started.open()
          seen.open(await aborted(call))
        },
      },
    })
    const channel = openChannel(`grpc://${server.address}`)
    cleanups.push(() => channel.close())
    const call = all(channel.serverStream('test.Service/Stuck', Buffer.alloc(0)))
    const cut = expect(call).rejects.toMatchObject({ code: expect.any(Number) })
    await started.opened
    await server.drain(50)
    await cut
    await seen.opened
  })
})

test('an address that is taken is told', async () => {
  const server = await start(echo)
  await expect(listen([], { address: server.address })).rejects.toMatchObject({
    kind: 'exists',
    where: server.address,
  })
  await expect(listen([], { address: 'nonsense' })).rejects.toMatchObject({ kind: 'invalid', where: 'nonsense' })
})
