import { afterEach, describe, expect, test } from 'vitest'
import { ErrorCode, FrameType, preface } from '../../../src/wire/http2/protocol.ts'
import { type ListenOptions, listen } from '../../../src/wire/server.ts'
import { Strikes } from '../../../src/wire/strikes.ts'
import { service } from '../fixture.ts'
import { frame as message } from '../raw-client.ts'
import { codeOf, data, frame, headers, isGoAway, openPeer, requestFields, settings, uint32 } from './peer.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(options: Partial<ListenOptions> = {}): Promise<string> {
  const echo = service({
    Echo: { kind: 'unary', handle: (request) => request },
    Wait: { kind: 'client-stream', handle: () => new Promise(() => undefined) },
  })
  const server = await listen([echo], { address: '127.0.0.1:0', ...options })
  cleanups.push(() => server.close())
  return server.address
}

async function peer(address: string, greeting?: readonly Uint8Array[]) {
  const opened = await openPeer(address, greeting)
  cleanups.push(() => opened.socket.destroy())
  return opened
}

const waiting = requestFields.map(([name, value]) => [name, name === ':path' ? '/test.Service/Wait' : value] as const)
const hello = message(Buffer.from('hello'))

async function isServed(address: string): Promise<void> {
  const { send, until } = await peer(address)
  send(headers(1), data(1, hello, true))
  await until(({ type, id, flags }) => type === FrameType.HEADERS && id === 1 && (flags & 1) !== 0)
}

/** Opens and resets streams until the connection is closed; how many it took. */
async function rapidReset(address: string): Promise<number> {
  const { send, until, closed } = await peer(address)
  const block = headers(1, waiting)
  let over = false
  closed.then(
    () => (over = true),
    () => undefined,
  )
  let id = 1
  for (; !over && id < 200_000; id += 2) {
    block.writeUInt32BE(id, 5)
    send(block, frame(FrameType.RST_STREAM, 0, id, uint32(ErrorCode.CANCEL)))
    if (id % 501 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(codeOf(await until(isGoAway))).toBe(ErrorCode.ENHANCE_YOUR_CALM)
  await closed
  return id / 2
}

describe('H4: abuseLimits', () => {
  test('rapid reset that comes back has half of it each time, and others are served', async () => {
    const address = await start({ streamsMax: 1000 })
    await rapidReset(address)
    for (let i = 0; i < 4; i += 1) await rapidReset(address)
    await isServed(address)
    const { send, until } = await peer(address)
    const block = headers(1, waiting)
    const bytes: Buffer[] = []
    for (let id = 1; id < 2 * 200; id += 2) {
      block.writeUInt32BE(id, 5)
      bytes.push(Buffer.from(block), frame(FrameType.RST_STREAM, 0, id, uint32(ErrorCode.CANCEL)))
    }
    send(...bytes)
    expect(codeOf(await until(isGoAway))).toBe(ErrorCode.ENHANCE_YOUR_CALM)
  })

  test('header bombs end', async () => {
    const { send, until } = await peer(await start())
    const bomb = headers(1, [...requestFields, ['x', 'a'.repeat(16_150)]])
    for (let i = 0; i < 500; i += 1) {
      bomb.writeUInt32BE(1 + 2 * i, 5)
      send(bomb)
    }
    expect(codeOf(await until(isGoAway))).toBe(ErrorCode.ENHANCE_YOUR_CALM)
  })

  test.each([0, 1])('WINDOW_UPDATEs without end on stream %d', async (id) => {
    const { send, until } = await peer(await start())
    send(headers(1, waiting))
    const each = frame(FrameType.WINDOW_UPDATE, 0, id, uint32(1))
    send(...Array.from({ length: 100_001 }, () => each))
    expect(codeOf(await until(isGoAway))).toBe(ErrorCode.ENHANCE_YOUR_CALM)
  })

  test('a strike is forgotten after a while', () => {
    const strikes = new Strikes()
    strikes.add('a')
    strikes.add('a')
    expect([strikes.count('a'), strikes.count('b')]).toEqual([2, 0])
    for (let i = 0; i < 8; i += 1) strikes.sweep()
    expect(strikes.count('a')).toBe(0)
  })
})

describe('H5: connections', () => {
  test('a preface that comes a byte at a time has no longer than another', async () => {
    const { socket, closed } = await peer(await start(), [])
    let at = 0
    const timer = setInterval(() => socket.write(preface.subarray(at, ++at)), 1200)
    await closed
    clearInterval(timer)
    expect(at).toBeLessThan(preface.length)
  }, 30_000)

  test('one that does nothing makes place for another when all are taken', async () => {
    const address = await start({ connectionsMax: 5 })
    const idle = await Promise.all(Array.from({ length: 5 }, () => peer(address, [preface, settings()])))
    // They count as idle once they have been silent from one sweep to the next.
    await expect
      .poll(
        () =>
          isServed(address).then(
            () => true,
            () => false,
          ),
        { timeout: 20_000, interval: 500 },
      )
      .toBe(true)
    await Promise.race(idle.map(({ closed }) => closed))
  }, 30_000)
})
