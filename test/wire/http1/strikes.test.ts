import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Arrival } from '../../../src/wire/arrival.ts'
import { patienceFor } from '../../../src/wire/http1/patience.ts'
import { createHttp1 } from '../../../src/wire/http1/server.ts'
import { Flag, FrameType } from '../../../src/wire/http2/protocol.ts'
import { Ledger } from '../../../src/wire/ledger.ts'
import { listen } from '../../../src/wire/server.ts'
import { Strikes } from '../../../src/wire/strikes.ts'
import { service } from '../fixture.ts'
import { frame, headers, isGoAway, openPeer, requestFields } from '../http2/peer.ts'
import { openRaw } from './raw.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const faultsPerStrike = 100
const streamsMax = 1000
/** Headers beyond the limit count as fifty resets each, of which there are two for each stream: forty are all. */
const bombs = 30

/** May a new connection of this machine do three quarters of what one without strikes may? */
async function hasAllLimits(address: string): Promise<boolean> {
  const { socket, send, until } = await openPeer(address)
  for (let at = 0; at < bombs; at += 1) send(headers(1 + 2 * at, [...requestFields, ['x', 'a'.repeat(16_150)]]))
  send(frame(FrameType.PING, 0, 0, Buffer.alloc(8)))
  const answer = await until(
    (each) => isGoAway(each) || (each.type === FrameType.PING && (each.flags & Flag.ACK) !== 0),
  )
  socket.destroy()
  return !isGoAway(answer)
}

describe('clients of HTTP/1.1 are counted by their address, over their connections', () => {
  const torn = 'PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nabc'
  test.each([
    ['what is not HTTP', 'NONSENSE\r\n\r\n'],
    ['requests without Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['heads that are too large', `GET / HTTP/1.1\r\nhost: h\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`],
    ['heads that break off', 'GET / HTTP/1.1\r\nho'],
    ['bodies that break off', torn],
    ['malformed chunks', 'PUT / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
  ])('%s', async (_what, bytes) => {
    const server = await listen([service({ Echo: { kind: 'unary', handle: (request) => request } })], {
      address: '127.0.0.1:0',
      streamsMax,
      async http(exchange) {
        for await (const piece of exchange.body()) expect(piece.length).toBeGreaterThan(0)
        exchange.respond(200, { 'content-length': '0' })
      },
    })
    cleanups.push(() => server.close())
    expect(await hasAllLimits(server.address)).toBe(true)
    const misbehave = async () => {
      const client = await openRaw(server.address)
      client.socket.end(bytes)
      await client.rest()
    }
    // Twice as many as it takes, since some are forgotten every five seconds.
    await Promise.all(Array.from({ length: 2 * faultsPerStrike }, misbehave))
    // A connection may be gone for its client before it is for the server.
    await expect.poll(() => hasAllLimits(server.address)).toBe(false)
  })
})

describe('who is slow', () => {
  /** The server's side of a connection on which so much has come. */
  async function connection(begin: string): Promise<Socket> {
    const server = createServer({ pauseOnConnect: true })
    cleanups.push(() => server.close())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const accepted = once(server, 'connection')
    const client = await openRaw(`127.0.0.1:${port}`)
    cleanups.push(() => client.socket.destroy())
    client.send(begin)
    const [socket] = await accepted
    return socket
  }

  const address = '127.0.0.1'
  function oneToGo(): Strikes {
    const strikes = new Strikes()
    for (let at = 0; at < faultsPerStrike - 1; at += 1) strikes.fault(address)
    expect(strikes.count(address)).toBe(0)
    return strikes
  }

  function http1(strikes: Strikes) {
    const bytesMax = 1024 * 1024
    const ledger = () => new Ledger({ bytesMax, clientBytesMax: bytesMax, connectionBytesMax: bytesMax })
    return createHttp1({
      handle: async (exchange) => {
        for await (const piece of exchange.body()) expect(piece.length).toBeGreaterThan(0)
      },
      answers: ledger(),
      requests: ledger(),
      strikes,
      onBug: (error) => expect.fail(`${error}`),
    })
  }

  test('with a head, after ten seconds; where its address has a strike, after five', async () => {
    const strikes = oneToGo()
    for (const sweeps of [2, 1]) {
      const socket = await connection('GET / HT')
      socket.resume()
      const [head] = await once(socket, 'data')
      const closed = once(socket, 'close')
      const client = http1(strikes).take(socket, head)
      for (let at = 0; at < sweeps; at += 1) client.sweep()
      expect(socket.writable).toBe(true)
      client.sweep()
      expect(socket.writable).toBe(false)
      await closed
      expect(strikes.count(address)).toBe(1)
    }
  })

  test('to say what it speaks', async () => {
    const strikes = oneToGo()
    const socket = await connection('PRI')
    const arrival = new Arrival(
      socket,
      () => strikes.fault(address),
      () => expect.fail('three letters decide nothing'),
    )
    await once(socket, 'data')
    for (let at = 0; at < 3; at += 1) arrival.sweep()
    expect(strikes.count(address)).toBe(1)
  })

  test('and one that says nothing at all has done nothing', async () => {
    const strikes = oneToGo()
    const arrival = new Arrival(
      await connection(''),
      () => strikes.fault(address),
      () => undefined,
    )
    for (let at = 0; at < 3; at += 1) arrival.sweep()
    expect(strikes.count(address)).toBe(0)
  })
})

test('each strike halves all that a connection may do, and something is always left', () => {
  expect(patienceFor(0)).toEqual({ headSweeps: 2, restSweeps: 120, stuckSweeps: 12, scarceSweeps: 2, waiting: 1000 })
  expect(patienceFor(1)).toEqual({ headSweeps: 1, restSweeps: 60, stuckSweeps: 6, scarceSweeps: 1, waiting: 500 })
  expect(Math.min(...Object.values(patienceFor(6)))).toBe(1)
})

test('faults are forgotten sooner than an honest client makes them', () => {
  const strikes = new Strikes()
  for (let second = 0; second < 600; second += 5) {
    for (let at = 0; at < 25; at += 1) strikes.fault('a')
    strikes.sweep()
  }
  expect(strikes.count('a')).toBe(0)
})
