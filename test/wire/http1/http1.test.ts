import { afterEach, describe, expect, test } from 'vitest'
import { openChannel } from '../../../src/wire/channel.ts'
import { type Exchange, HttpError, type HttpHandler } from '../../../src/wire/http.ts'
import type { RpcServer } from '../../../src/wire/rpc.ts'
import { type ListenOptions, listen } from '../../../src/wire/server.ts'
import { gate, pattern, service } from '../fixture.ts'
import { openRaw } from './raw.ts'

const servers: RpcServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

const echo = service({ Echo: { kind: 'unary', handle: (request) => request } })

async function start(http: HttpHandler, options: Partial<ListenOptions> = {}): Promise<RpcServer> {
  const server = await listen([echo], { address: '127.0.0.1:0', http, ...options })
  servers.push(server)
  return server
}

async function gathered(exchange: Exchange): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of exchange.body()) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** Answers with what it got. */
const mirror: HttpHandler = async (exchange) => {
  const body = await gathered(exchange)
  exchange.respond(200, { 'content-length': String(body.length), 'x-path': exchange.path, 'x-query': exchange.query })
  await exchange.write(body)
}

describe('one port', () => {
  test('gRPC and HTTP/1.1 are told apart by their first bytes, even where these come one by one', async () => {
    const { address } = await start(mirror)
    const channel = openChannel(`grpc://${address}`)
    expect((await channel.unary('test.Service/Echo', Buffer.from('hello'))).toString()).toBe('hello')
    channel.close()
    const client = await openRaw(address)
    // P is how the preface begins too.
    for (const letter of 'PUT /x HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi') {
      client.send(letter)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await client.answer()).body.toString()).toBe('hi')
    client.socket.destroy()
  })

  test('a request may come in one packet with its body and with the next one', async () => {
    const { address } = await start(mirror)
    const client = await openRaw(address)
    client.send('PUT /a HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\noneGET /b?q=1 HTTP/1.1\r\nhost: h\r\n\r\n')
    expect((await client.answer()).body.toString()).toBe('one')
    const second = await client.answer()
    expect([second.fields.get('x-path'), second.fields.get('x-query')]).toEqual(['/b', 'q=1'])
    client.socket.destroy()
  })

  test('who may not come in is told so in HTTP/1.1', async () => {
    const { address } = await start(mirror, { admit: async () => false })
    const client = await openRaw(address)
    client.send('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    const { status, body } = await client.answer()
    expect(status).toBe(403)
    expect(body.toString()).toMatch(/private.*\n$/)
    await client.rest()
  })
})

describe('requests of one connection', () => {
  test('are handled one after the other, and answered in their order', async () => {
    let atOnce = 0
    let most = 0
    const { address } = await start(async (exchange) => {
      atOnce += 1
      most = Math.max(most, atOnce)
      await new Promise((resolve) => setImmediate(resolve))
      atOnce -= 1
      exchange.respond(200, { 'content-length': '0', 'x-path': exchange.path })
    })
    const client = await openRaw(address)
    client.send(Array.from({ length: 300 }, (_, at) => `GET /${at} HTTP/1.1\r\nhost: h\r\n\r\n`).join(''))
    for (let at = 0; at < 300; at += 1) expect((await client.answer()).fields.get('x-path')).toBe(`/${at}`)
    expect(most).toBe(1)
    client.socket.destroy()
  })

  test('chunked bodies and 100-continue', async () => {
    const { address } = await start(mirror)
    const client = await openRaw(address)
    client.send('PUT / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n')
    expect((await client.answer()).status).toBe(100)
    client.send('3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n')
    expect((await client.answer()).body.toString()).toBe('abcde')
    client.socket.destroy()
  })

  test('a body that is refused before it is asked for is not waited for', async () => {
    const { address } = await start(async () => {
      throw new HttpError(413, 'too large')
    })
    const client = await openRaw(address)
    client.send('PUT / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 1000000000\r\n\r\n')
    const { status, body } = await client.answer()
    expect([status, body.toString()]).toEqual([413, 'too large\n'])
    client.socket.destroy()
  })

  test('what nobody reads of a body is thrown away, and the next request is answered', async () => {
    const { address } = await start(async (exchange) => exchange.respond(200, { 'content-length': '0' }))
    const client = await openRaw(address)
    client.send('PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 3000000\r\n\r\n', Buffer.alloc(3_000_000))
    expect((await client.answer()).status).toBe(200)
    client.send('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    expect((await client.answer()).status).toBe(200)
    client.socket.destroy()
  })

  test('16 MiB up and down, byte for byte', async () => {
    const { address } = await start(mirror)
    const bytes = pattern(16 * 1024 * 1024)
    const client = await openRaw(address)
    client.send(`PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: ${bytes.length}\r\n\r\n`, bytes)
    expect((await client.answer()).body.equals(bytes)).toBe(true)
    client.socket.destroy()
  })

  test('HTTP/1.0 and a client that closes its side after the request get their answers', async () => {
    const { address } = await start(mirror)
    const client = await openRaw(address)
    client.socket.end('PUT / HTTP/1.0\r\ncontent-length: 2\r\n\r\nhi')
    expect((await client.answer()).body.toString()).toBe('hi')
    await client.rest()
  })
})

describe('what goes wrong', () => {
  test('a bug is a 500 without its text, and is told to the log', async () => {
    const told: string[] = []
    const log = { error: (message: string) => told.push(message) }
    const { address } = await start(
      async () => {
        throw new TypeError('secret')
      },
      { log },
    )
    const client = await openRaw(address)
    client.send('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    const { status, body } = await client.answer()
    expect(status).toBe(500)
    expect(body.toString()).not.toContain('secret')
    expect(told).toHaveLength(1)
    client.socket.destroy()
  })

  test('an answer that breaks off is cut off, not ended', async () => {
    const { address } = await start(async (exchange) => {
      exchange.respond(200, { 'content-length': '10' })
      await exchange.write(Buffer.from('half'))
      throw new HttpError(500, 'no more')
    })
    const client = await openRaw(address)
    client.send('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    expect(await client.rest()).not.toContain('no more')
  })

  test.each([
    ['what is not an HTTP', 'NONSENSE\r\n\r\n', 400],
    ['a request without Host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['fields beyond 16 KiB', `GET / HTTP/1.1\r\nhost: h\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ['two lengths', 'PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 400],
    [
      'a length and chunks',
      'PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a malformed chunk', 'PUT / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n', 400],
    ['another version', 'GET / HTTP/3.7\r\nhost: h\r\n\r\n', 400],
  ])('%s', async (_what, request, status) => {
    const { address } = await start(mirror)
    const client = await openRaw(address)
    client.send(request)
    expect((await client.answer()).status).toBe(status)
    await client.rest()
  })

  test('a client that goes away aborts what is done for it', async () => {
    const reached = gate<Exchange>()
    const over = gate<unknown>()
    const { address } = await start(async (exchange) => {
      reached.open(exchange)
      await gathered(exchange).catch(over.open)
    })
    const client = await openRaw(address)
    client.send('PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nabc')
    const exchange = await reached.opened
    client.socket.destroy()
    expect(await over.opened).toMatchObject({ message: 'the client has gone' })
    expect(exchange.signal.aborted).toBe(true)
  })

  test('whatever bytes come, the server lives', async () => {
    const { address } = await start(mirror)
    const good =
      'PUT /cas/x HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
    for (let round = 0; round < 300; round += 1) {
      const bytes = Buffer.from(good.repeat(2))
      for (let spoiled = 0; spoiled <= round % 5; spoiled += 1)
        bytes[(round * 7919 + spoiled * 104_729) % bytes.length] = (round * 31 + spoiled * 17) % 256
      const client = await openRaw(address)
      client.socket.end(bytes.subarray(0, 1 + ((round * 6151) % bytes.length)))
      await client.rest()
    }
    const client = await openRaw(address)
    client.send('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    expect((await client.answer()).status).toBe(200)
    client.socket.destroy()
  })
})

describe('drain', () => {
  test('a connection at rest is closed, one with a request after its answer', async () => {
    const reached = gate()
    const go = gate()
    const server = await start(async (exchange) => {
      reached.open()
      await go.opened
      exchange.respond(200, { 'content-length': '0' })
    })
    const idle = await openRaw(server.address)
    const busy = await openRaw(server.address)
    busy.send('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
    await reached.opened
    const drained = server.drain(60_000)
    await idle.rest()
    go.open()
    const { status, fields } = await busy.answer()
    expect([status, fields.get('connection')]).toEqual([200, 'close'])
    await drained
  })
})
