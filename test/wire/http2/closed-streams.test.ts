import { afterEach, describe, expect, test } from 'vitest'
import { ErrorCode, FrameType, Setting } from '../../../src/wire/http2/protocol.ts'
import { listen } from '../../../src/wire/server.ts'
import { service } from '../fixture.ts'
import { frame as message } from '../raw-client.ts'
import {
  codeOf,
  data,
  type Frame,
  frame,
  headers,
  isGoAway,
  isReset,
  openPeer,
  requestFields,
  settings,
  uint32,
} from './peer.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function peer() {
  const server = await listen([service({ Echo: { kind: 'unary', handle: (request) => request } })], {
    address: '127.0.0.1:0',
  })
  const opened = await openPeer(server.address)
  cleanups.push(
    () => server.close(),
    () => opened.socket.destroy(),
  )
  return opened
}

const hello = message(Buffer.from('hello'))
const get = requestFields.map(([name, value]) => [name, name === ':method' ? 'GET' : value] as const)
const isEnd = (id: number) => (each: Frame) =>
  each.id === id && (each.flags & 1) !== 0 && (each.type === FrameType.DATA || each.type === FrameType.HEADERS)
const ping = frame(FrameType.PING, 0, 0, Buffer.alloc(8))
const isPong = ({ type, flags }: Frame) => type === FrameType.PING && (flags & 1) !== 0

describe('H3: frames on streams that are closed (RFC 9113, section 5.1)', () => {
  test('DATA after the client has ended a request that is answered is STREAM_CLOSED', async () => {
    const { send, until } = await peer()
    send(headers(1), data(1, hello, true))
    await until(isEnd(1))
    send(data(1, hello))
    expect(codeOf(await until(isReset))).toBe(ErrorCode.STREAM_CLOSED)
  })

  test('DATA after the client has reset the stream is STREAM_CLOSED', async () => {
    const { send, until } = await peer()
    send(headers(1), frame(FrameType.RST_STREAM, 0, 1, uint32(ErrorCode.CANCEL)), data(1, hello))
    expect(codeOf(await until(isReset))).toBe(ErrorCode.STREAM_CLOSED)
  })

  test('HEADERS after either end the connection with STREAM_CLOSED', async () => {
    for (const first of [
      [headers(1), data(1, hello, true)],
      [headers(1), frame(FrameType.RST_STREAM, 0, 1, uint32(ErrorCode.CANCEL))],
    ]) {
      const { send, until, closed } = await peer()
      send(...first, headers(1))
      expect(codeOf(await until(isGoAway))).toBe(ErrorCode.STREAM_CLOSED)
      await closed
    }
  })

  test('5.1.1: a number smaller than one before, which was never used, is a PROTOCOL_ERROR', async () => {
    const { send, until, closed } = await peer()
    send(headers(5), data(5, hello, true))
    await until(isEnd(5))
    send(headers(3))
    expect(codeOf(await until(isGoAway))).toBe(ErrorCode.PROTOCOL_ERROR)
    await closed
  })

  test('what was on its way to a stream that we have reset is let pass', async () => {
    const { send, until, seen } = await peer()
    send(headers(1, [...requestFields, ['X-Upper', 'malformed']]))
    expect(codeOf(await until(isReset))).toBe(ErrorCode.PROTOCOL_ERROR)
    send(data(1, hello), headers(1, [['x', 'y']], true), frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(1)), ping)
    await until(isPong)
    expect(seen.filter((each) => isReset(each) || isGoAway(each)).length).toBe(1)
  })

  test('WINDOW_UPDATE and RST_STREAM on a stream that has ended are let pass', async () => {
    const { send, until, seen } = await peer()
    send(headers(1), data(1, hello, true))
    await until(isEnd(1))
    send(frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(1)), frame(FrameType.RST_STREAM, 0, 1, uint32(8)), ping)
    await until(isPong)
    expect(seen.some((each) => isReset(each) || isGoAway(each))).toBe(false)
  })
})

describe('H3: a request that is refused in plain HTTP keeps to the windows', () => {
  test('6.9.1: of a stream: its text comes byte by byte as there is room', async () => {
    const { send, until, seen } = await peer()
    send(settings([Setting.INITIAL_WINDOW_SIZE, 1]), headers(1, get, true))
    const first = await until(({ type }) => type === FrameType.DATA)
    expect(first.payload.length).toBe(1)
    send(ping)
    await until(isPong)
    expect(seen.filter(({ type }) => type === FrameType.DATA).length).toBe(1)
    send(frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(1000)))
    await until(isEnd(1))
    const text = Buffer.concat(seen.filter(({ type }) => type === FrameType.DATA).map(({ payload }) => payload))
    expect(text.toString()).toBe('gRPC calls are POST requests\n')
  })

  test('6.9.2: a window that is made smaller, below nothing too', async () => {
    const { send, until, seen } = await peer()
    send(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1, get, true), ping)
    await until(isPong)
    expect(seen.some(({ type }) => type === FrameType.DATA)).toBe(false)
    send(settings([Setting.INITIAL_WINDOW_SIZE, 1]))
    expect((await until(({ type }) => type === FrameType.DATA)).payload.length).toBe(1)
    send(settings([Setting.INITIAL_WINDOW_SIZE, 65_535]))
    await until(isEnd(1))
  })
})
