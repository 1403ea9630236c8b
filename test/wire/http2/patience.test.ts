import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ErrorCode, FrameType } from '../../../src/wire/http2/protocol.ts'
import type { RpcServer } from '../../../src/wire/rpc.ts'
import { listen } from '../../../src/wire/server.ts'
import { service } from '../fixture.ts'
import { frame as message } from '../raw-client.ts'
import { codeOf, data, frame, headers, isReset, openPeer, type Peer, requestFields } from './peer.ts'

// Only the sweep's interval stands still until a test moves it; sockets run as ever.
let server: RpcServer
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  server = await listen([service({ Early: { kind: 'client-stream', handle: async () => Buffer.from('early') } })], {
    address: '127.0.0.1:0',
  })
})
afterEach(async () => {
  await server.close()
  vi.useRealTimers()
})

const seconds = (count: number) => vi.advanceTimersByTime(count * 1000)

/** Everything that was sent has been read by the server. */
async function heard(peer: Peer): Promise<void> {
  const before = peer.seen.length
  peer.send(frame(6, 0, 0, Buffer.alloc(8)))
  await peer.until(() => peer.seen.length > before)
}

test('a connection that never says that it speaks HTTP/2 is closed', async () => {
  const silent = await openPeer(server.address, [])
  const other = await openPeer(server.address)
  await heard(other)
  seconds(15)
  await silent.closed
  await heard(other)
})

test('a silent client is asked whether it is there, and closed when it does not answer', async () => {
  const peer = await openPeer(server.address)
  await heard(peer)
  seconds(70)
  const ping = await peer.until(({ type, flags }) => type === FrameType.PING && flags === 0)
  peer.send(frame(6, 1, 0, ping.payload))
  await heard(peer)
  seconds(55)
  await heard(peer)
  seconds(100)
  await peer.closed
})

test('rule 7: a client that does not end its request after the answer is told to stop, without an error', async () => {
  const peer = await openPeer(server.address)
  const early = requestFields.map(([name, value]) => [name, name === ':path' ? '/test.Service/Early' : value] as const)
  peer.send(headers(1, early), data(1, message(Buffer.from('first'))))
  await peer.until(({ id, flags, type }) => id === 1 && type === FrameType.HEADERS && (flags & 1) !== 0)
  peer.send(data(1, message(Buffer.alloc(1000))))
  await heard(peer)
  expect(peer.seen.some(isReset)).toBe(false)
  for (let round = 0; round < 8; round += 1) {
    seconds(5)
    await heard(peer)
  }
  const reset = await peer.until(isReset)
  expect([reset.id, codeOf(reset)]).toEqual([1, ErrorCode.NO_ERROR])
})
