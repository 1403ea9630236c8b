import { afterEach, describe, expect, test, vi } from 'vitest'
import { FrameType, preface } from '../../../src/wire/http2/protocol.ts'
import { freshUnits, heldBytesMax, sliceUnits, Turns, turnUnits, type Waiting } from '../../../src/wire/http2/turns.ts'
import { listen } from '../../../src/wire/server.ts'
import { gate, service } from '../fixture.ts'
import { frame as message } from '../raw-client.ts'
import { data, type Frame, frame, headers, openPeer, type Peer, settings, uint32 } from './peer.ts'

/** A connection with so much to do. */
interface Busy extends Waiting {
  left: number
  done: number
}

function busy(address: string, units: number, did: (each: Busy) => void = () => undefined): Busy {
  return {
    address,
    left: units,
    done: 0,
    get waits() {
      return this.left > 0
    },
    turn(unitsMax) {
      const units = Math.min(unitsMax, this.left)
      this.left -= units
      this.done += units
      did(this)
      return units
    },
    readOn: () => undefined,
  }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

describe('turns', () => {
  test('an address gets as much with one connection as another with fifty', async () => {
    const turns = new Turns()
    const many = Array.from({ length: 50 }, () => busy('a', 100_000))
    const one = busy('b', 10 * turnUnits)
    for (const each of [...many, one]) turns.wait(each)
    while (one.left > 0) await nextTurn()
    const done = many.reduce((sum, each) => sum + each.done, 0)
    expect(Math.abs(done - one.done)).toBeLessThanOrEqual(2 * sliceUnits)
    for (const each of many) turns.leave(each)
  })

  test('connections of one address get the same', async () => {
    const turns = new Turns()
    const all = Array.from({ length: 3 }, () => busy('a', 100_000))
    for (const each of all) turns.wait(each)
    for (let at = 0; at < 60; at += 1) await nextTurn()
    const done = all.map((each) => each.done)
    expect(Math.max(...done) - Math.min(...done)).toBeLessThanOrEqual(2 * sliceUnits)
    for (const each of all) turns.leave(each)
  })

  test('whoever comes with little passes those that had their part', async () => {
    const turns = new Turns()
    let done = 0
    const many = Array.from({ length: 50 }, () => busy('a', 100_000, () => (done += 1)))
    for (const each of many) turns.wait(each)
    for (let at = 0; at < 30; at += 1) await nextTurn()
    const before = done
    const served = gate<number>()
    turns.wait(busy('a', freshUnits, () => served.open(done)))
    expect((await served.opened) - before).toBeLessThanOrEqual(1)
    for (const each of many) turns.leave(each)
  })

  test('nobody is passed by for ever, however many come with little', async () => {
    const turns = new Turns()
    const old = busy('a', 4 * turnUnits)
    turns.wait(old)
    await nextTurn()
    let rounds = 0
    for (; old.left > 0 && rounds < 1000; rounds += 1) {
      for (let at = 0; at < 100; at += 1) turns.wait(busy('a', freshUnits))
      await nextTurn()
    }
    expect(rounds).toBeLessThan(20)
  })

  test('a turn of the event loop is bounded, whoever waits and whatever came before it', async () => {
    const turns = new Turns()
    const many = Array.from({ length: 100 }, (_, at) => busy(`${at % 7}`, 100_000))
    turns.spend(50 * turnUnits)
    expect(turns.left).toBe(0)
    for (const each of many) turns.wait(each)
    await nextTurn()
    expect(many.reduce((sum, each) => sum + each.done, 0)).toBe(turnUnits)
    for (const each of many) turns.leave(each)
    await nextTurn()
    expect(turns.left).toBe(turnUnits)
  })

  test('one that has read its part reads on in the next turn, once, if it is there still', async () => {
    const turns = new Turns()
    let count = 0
    const reader = () => ({
      ...busy('a', 0),
      readOn() {
        count += 1
      },
    })
    const [stays, leaves] = [reader(), reader()]
    turns.rest(stays)
    turns.rest(leaves)
    turns.leave(leaves)
    expect(count).toBe(0)
    await nextTurn()
    expect(count).toBe(1)
    turns.spend(1)
    await nextTurn()
    expect([count, turns.number]).toEqual([1, 2])
  })

  test('one that leaves in its own turn does not come back', async () => {
    const turns = new Turns()
    let count = 0
    const leaving = busy('a', 100_000, (each) => {
      count += 1
      turns.leave(each)
    })
    turns.wait(leaving)
    for (let at = 0; at < 5; at += 1) await nextTurn()
    expect(count).toBe(1)
  })
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const isTrailers = ({ type, flags }: Frame) => type === FrameType.HEADERS && (flags & 1) !== 0

/** A client that the server has greeted, and that takes all that it is answered. */
async function greeted(address: string): Promise<Peer> {
  const peer = await openPeer(address, [preface, settings(), frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(2 ** 30))])
  cleanups.push(() => peer.socket.destroy())
  await peer.until(({ type }) => type === FrameType.SETTINGS)
  return peer
}

/** Settles when so many answers have come; looks at each frame once. */
function answers(peer: Peer, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let looked = 0
  let left = count
  peer.socket.on('data', () => {
    for (const each of peer.seen.slice(looked)) if (isTrailers(each)) left -= 1
    looked = peer.seen.length
    if (left === 0) resolve()
  })
  return promise
}

/** The bytes of so many calls on a connection that has had none. */
function calls(count: number, body: Buffer): Buffer {
  const one = Buffer.concat([headers(1), data(1, body, true)])
  const dataAt = headers(1).length
  return Buffer.concat(
    Array.from({ length: count }, (_, at) => {
      const each = Buffer.from(one)
      each.writeUInt32BE(1 + 2 * at, 5)
      each.writeUInt32BE(1 + 2 * at, dataAt + 5)
      return each
    }),
  )
}

describe('a flood of 20,000 calls', () => {
  test.each([1, 40])('on %d connections: a call of another client is answered among the first', async (connections) => {
    const flood = message(Buffer.from('flood'))
    const honest = message(Buffer.from('honest'))
    let floods = 0
    let before = Number.POSITIVE_INFINITY
    const server = await listen(
      [
        service({
          Echo: {
            kind: 'unary',
            handle(request) {
              if (request.toString() === 'honest') {
                before = floods
                return request
              }
              floods += 1
              // It lies in the server's socket when this returns.
              if (floods === 1) another.send(calls(1, honest))
              return request
            },
          },
        }),
      ],
      { address: '127.0.0.1:0', streamsMax: 20_000 },
    )
    cleanups.push(() => server.close())
    const another = await greeted(server.address)
    const peers = await Promise.all(Array.from({ length: connections }, () => greeted(server.address)))
    const each = 20_000 / connections
    const all = peers.map((peer) => answers(peer, each))
    for (const peer of peers) peer.send(calls(each, flood))
    await another.until(isTrailers)
    expect(before).toBeLessThan(500)
    // Nothing of the flood is lost for that, and the calls of a connection stay in their order.
    await Promise.all(all)
    expect(floods).toBe(20_000)
    for (const { seen } of peers) {
      const ids = seen.filter(isTrailers).map(({ id }) => id)
      expect(ids).toEqual(ids.toSorted((a, b) => a - b))
    }
  })

  test('ends with its connection, and leaves room for the next', async () => {
    const hold = vi.spyOn(Turns.prototype, 'hold')
    cleanups.push(() => hold.mockRestore())
    const rounds = Array.from({ length: 3 }, () => ({ begun: 0, first: gate() }))
    const server = await listen(
      [
        service({
          Echo: {
            kind: 'unary',
            handle(request) {
              const round = rounds[Number(request.toString())]
              if (round) round.begun += 1
              round?.first.open()
              return request
            },
          },
        }),
      ],
      { address: '127.0.0.1:0' },
    )
    cleanups.push(() => server.close())
    for (const [at, { first }] of rounds.entries()) {
      const peer = await greeted(server.address)
      peer.send(calls(5_000, message(Buffer.from(String(at)))))
      await first.opened
      peer.socket.destroy()
    }
    const another = await greeted(server.address)
    another.send(calls(1, message(Buffer.from('honest'))))
    await another.until(isTrailers)
    const turns = hold.mock.contexts[0]
    if (!(turns instanceof Turns)) throw new Error('nothing of the flood had to wait')
    // As long as something waits, each turn of the event loop is one of theirs.
    for (let number = -1; number !== turns.number; ) {
      number = turns.number
      await nextTurn()
      await nextTurn()
    }
    expect(turns.mayHold(heldBytesMax)).toBe(true)
    for (const { begun } of rounds) expect(begun).toBeLessThan(5_000)
  })
})
