import { afterEach, describe, expect, test } from 'vitest'
import { encodeFields } from '../../../src/wire/http2/hpack.ts'
import { ErrorCode, FrameType, preface, Setting } from '../../../src/wire/http2/protocol.ts'
import { type ListenOptions, listen } from '../../../src/wire/server.ts'
import { gate, service } from '../fixture.ts'
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

async function start(options: Partial<ListenOptions> = {}) {
  const held = gate()
  cleanups.push(() => held.open())
  const server = await listen(
    [
      service({
        Echo: { kind: 'unary', handle: (request) => request },
        Large: { kind: 'unary', handle: () => Buffer.alloc(100_000, 7) },
      }),
      {
        name: 'test.Held',
        methods: {
          Hold: {
            kind: 'client-stream',
            async handle() {
              await held.opened
              return Buffer.alloc(0)
            },
          },
        },
      },
    ],
    { address: '127.0.0.1:0', ...options },
  )
  cleanups.push(() => server.close())
  return { ...server, release: held.open }
}

async function peer(options: Partial<ListenOptions> = {}) {
  const { address } = await start(options)
  const opened = await openPeer(address)
  cleanups.push(() => opened.socket.destroy())
  return opened
}

const hello = message(Buffer.from('hello'))
const withField = (name: string, value: string) => [...requestFields, [name, value] as const]
const without = (name: string) => requestFields.filter(([each]) => each !== name)
const held = requestFields.map(([name, value]) => [name, name === ':path' ? '/test.Held/Hold' : value] as const)
const isEnd = (id: number) => (each: Frame) =>
  each.id === id && (each.flags & 1) !== 0 && each.type !== FrameType.SETTINGS

/** What a client does, after preface and SETTINGS, and the connection error that it has to get. */
const connectionErrors: readonly (readonly [what: string, code: number, frames: readonly Uint8Array[]])[] = [
  ['4.2: a frame larger than 16 KiB', ErrorCode.FRAME_SIZE_ERROR, [headers(1), data(1, Buffer.alloc(16_385))]],
  [
    '4.3: a header block that cannot be decoded',
    ErrorCode.COMPRESSION_ERROR,
    [frame(1, 5, 1, Buffer.from([0xff, 0xff]))],
  ],
  ['5.1: DATA on a stream that is not open', ErrorCode.PROTOCOL_ERROR, [data(1, hello)]],
  ['5.1: RST_STREAM on a stream that is not open', ErrorCode.PROTOCOL_ERROR, [frame(3, 0, 1, uint32(8))]],
  ['5.1: WINDOW_UPDATE on a stream that is not open', ErrorCode.PROTOCOL_ERROR, [frame(8, 0, 1, uint32(8))]],
  ['5.1.1: HEADERS on an even stream', ErrorCode.PROTOCOL_ERROR, [headers(2)]],
  [
    '5.3.1: HEADERS that depend on themselves',
    ErrorCode.PROTOCOL_ERROR,
    [frame(1, 0x25, 1, Buffer.concat([uint32(1), Buffer.from([16]), encodeFields(requestFields)]))],
  ],
  [
    '5.5: an unknown frame inside a header block',
    ErrorCode.PROTOCOL_ERROR,
    [frame(1, 0, 1, encodeFields(requestFields)), frame(0x42, 0, 0)],
  ],
  ['6.1: DATA on no stream', ErrorCode.PROTOCOL_ERROR, [data(0, hello)]],
  ['6.1: more padding than DATA', ErrorCode.PROTOCOL_ERROR, [headers(1), frame(0, 8, 1, Buffer.from([5, 1, 2]))]],
  ['6.1: padding without its length', ErrorCode.FRAME_SIZE_ERROR, [headers(1), frame(0, 8, 1)]],
  ['6.2: HEADERS on no stream', ErrorCode.PROTOCOL_ERROR, [headers(0)]],
  ['6.2: more padding than HEADERS', ErrorCode.PROTOCOL_ERROR, [frame(1, 0xd, 1, Buffer.from([5, 1, 2]))]],
  [
    '6.2: a header block that is broken off',
    ErrorCode.PROTOCOL_ERROR,
    [frame(1, 0, 1, encodeFields(requestFields)), headers(3)],
  ],
  ['6.3: PRIORITY on no stream', ErrorCode.PROTOCOL_ERROR, [frame(2, 0, 0, Buffer.alloc(5))]],
  ['6.4: RST_STREAM on no stream', ErrorCode.PROTOCOL_ERROR, [frame(3, 0, 0, uint32(8))]],
  ['6.4: RST_STREAM of a wrong length', ErrorCode.FRAME_SIZE_ERROR, [headers(1), frame(3, 0, 1, Buffer.alloc(3))]],
  ['6.5: SETTINGS on a stream', ErrorCode.PROTOCOL_ERROR, [frame(4, 0, 1)]],
  ['6.5: truncated SETTINGS', ErrorCode.FRAME_SIZE_ERROR, [frame(4, 0, 0, Buffer.alloc(5))]],
  ['6.5: a SETTINGS ACK with values', ErrorCode.FRAME_SIZE_ERROR, [frame(4, 1, 0, Buffer.alloc(6))]],
  ['6.5.2: ENABLE_PUSH other than 0 and 1', ErrorCode.PROTOCOL_ERROR, [settings([Setting.ENABLE_PUSH, 2])]],
  [
    '6.5.2: a window larger than 2^31 - 1',
    ErrorCode.FLOW_CONTROL_ERROR,
    [settings([Setting.INITIAL_WINDOW_SIZE, 2 ** 31])],
  ],
  ['6.5.2: MAX_FRAME_SIZE below 16 KiB', ErrorCode.PROTOCOL_ERROR, [settings([Setting.MAX_FRAME_SIZE, 16_383])]],
  ['6.5.2: MAX_FRAME_SIZE of 2^24', ErrorCode.PROTOCOL_ERROR, [settings([Setting.MAX_FRAME_SIZE, 2 ** 24])]],
  ['6.6: PUSH_PROMISE', ErrorCode.PROTOCOL_ERROR, [headers(1), frame(5, 4, 1, uint32(2))]],
  ['6.7: a PING on a stream', ErrorCode.PROTOCOL_ERROR, [frame(6, 0, 1, Buffer.alloc(8))]],
  ['6.7: a PING of a wrong length', ErrorCode.FRAME_SIZE_ERROR, [frame(6, 0, 0, Buffer.alloc(7))]],
  ['6.8: a GOAWAY of a stream', ErrorCode.PROTOCOL_ERROR, [frame(7, 0, 1, Buffer.alloc(8))]],
  ['6.9: a WINDOW_UPDATE of 0 bytes', ErrorCode.PROTOCOL_ERROR, [frame(8, 0, 0, uint32(0))]],
  ['6.9: a WINDOW_UPDATE of a wrong length', ErrorCode.FRAME_SIZE_ERROR, [frame(8, 0, 0, Buffer.alloc(3))]],
  ['6.9.1: a window larger than 2^31 - 1', ErrorCode.FLOW_CONTROL_ERROR, [frame(8, 0, 0, uint32(2 ** 31 - 1))]],
  [
    '6.9.2: SETTINGS that raise a window beyond 2^31 - 1',
    ErrorCode.FLOW_CONTROL_ERROR,
    [headers(1, held), frame(8, 0, 1, uint32(2 ** 31 - 1 - 65_535)), settings([Setting.INITIAL_WINDOW_SIZE, 65_536])],
  ],
  ['6.10: a CONTINUATION without HEADERS', ErrorCode.PROTOCOL_ERROR, [frame(9, 4, 1)]],
  ['6.10: a CONTINUATION of another stream', ErrorCode.PROTOCOL_ERROR, [frame(1, 0, 1), frame(9, 4, 3)]],
  [
    'a header block without end',
    ErrorCode.ENHANCE_YOUR_CALM,
    [frame(1, 0, 1), ...Array.from({ length: 5 }, () => frame(9, 0, 1, Buffer.alloc(16_384)))],
  ],
  [
    'a header block of empty frames without end',
    ErrorCode.ENHANCE_YOUR_CALM,
    [frame(1, 0, 1), ...Array.from({ length: 100 }, () => frame(9, 0, 1))],
  ],
  [
    'pings without end',
    ErrorCode.ENHANCE_YOUR_CALM,
    [Buffer.concat(Array.from({ length: 100_001 }, () => frame(6, 1, 0, Buffer.alloc(8))))],
  ],
]

describe('RFC 9113: what ends the connection', () => {
  test.each(connectionErrors)('%s', async (_what, code, frames) => {
    const { send, until, closed } = await peer()
    send(...frames)
    expect(codeOf(await until(isGoAway))).toBe(code)
    await closed
  })

  test('3.4: the first frame has to be SETTINGS', async () => {
    const { address } = await start()
    for (const first of [frame(6, 0, 0, Buffer.alloc(8)), frame(4, 1, 0), headers(1), data(1, hello)]) {
      const { until, closed } = await openPeer(address, [preface, first])
      expect(codeOf(await until(isGoAway))).toBe(ErrorCode.PROTOCOL_ERROR)
      await closed
    }
  })

  test('3.4: HTTP/1.1 gets an answer that says what is spoken here', async () => {
    const { address } = await start()
    const { socket, closed } = await openPeer(address, [])
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await closed
    const [head, body] = text.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 505 /)
    expect(head).toContain(`content-length: ${body?.length}`)
    expect(body).toContain('gRPC')
  })
})

/** What a client does and the stream error on stream 1 that it has to get. */
const streamErrors: readonly (readonly [what: string, code: number, frames: readonly Uint8Array[]])[] = [
  ['5.1: DATA after the end of the request', ErrorCode.STREAM_CLOSED, [headers(1, held, true), data(1, hello)]],
  [
    '5.1: HEADERS after the end of the request',
    ErrorCode.STREAM_CLOSED,
    [headers(1, held, true), headers(1, held, true)],
  ],
  ['6.3: PRIORITY of a wrong length', ErrorCode.FRAME_SIZE_ERROR, [headers(1, held), frame(2, 0, 1, Buffer.alloc(4))]],
  [
    '5.3.1: PRIORITY that depends on itself',
    ErrorCode.PROTOCOL_ERROR,
    [headers(1, held), frame(2, 0, 1, Buffer.from([0, 0, 0, 1, 0]))],
  ],
  ['6.9: a WINDOW_UPDATE of 0 bytes', ErrorCode.PROTOCOL_ERROR, [headers(1, held), frame(8, 0, 1, uint32(0))]],
  [
    '6.9.1: a window larger than 2^31 - 1',
    ErrorCode.FLOW_CONTROL_ERROR,
    [headers(1, held), frame(8, 0, 1, uint32(2 ** 31 - 1))],
  ],
  ['8.1: trailers that do not end the request', ErrorCode.PROTOCOL_ERROR, [headers(1, held), headers(1, [['x', 'y']])]],
  [
    '8.1: a pseudo header among the trailers',
    ErrorCode.PROTOCOL_ERROR,
    [headers(1, held), headers(1, [[':path', '/']], true)],
  ],
  ['8.2.1: upper case in a name', ErrorCode.PROTOCOL_ERROR, [headers(1, withField('X-Upper', 'y'))]],
  ['8.2.1: a line break in a value', ErrorCode.PROTOCOL_ERROR, [headers(1, withField('x', 'y\r\nz'))]],
  ['8.2.2: a field of one connection', ErrorCode.PROTOCOL_ERROR, [headers(1, withField('connection', 'keep-alive'))]],
  ['8.2.2: te other than trailers', ErrorCode.PROTOCOL_ERROR, [headers(1, withField('te', 'gzip'))]],
  [
    '8.3: a pseudo header after other fields',
    ErrorCode.PROTOCOL_ERROR,
    [headers(1, [...without(':path'), [':path', '/']])],
  ],
  ['8.3: a pseudo header of answers', ErrorCode.PROTOCOL_ERROR, [headers(1, [[':status', '200'], ...requestFields])]],
  ['8.3: an unknown pseudo header', ErrorCode.PROTOCOL_ERROR, [headers(1, [[':test', 'x'], ...requestFields])]],
  ...[':method', ':scheme', ':path'].flatMap((name) => [
    [`8.3.1: no ${name}`, ErrorCode.PROTOCOL_ERROR, [headers(1, without(name))]] as const,
    [`8.3.1: ${name} twice`, ErrorCode.PROTOCOL_ERROR, [headers(1, [[name, 'x'], ...requestFields])]] as const,
  ]),
  [
    '8.1.1: a body shorter than said',
    ErrorCode.PROTOCOL_ERROR,
    [headers(1, withField('content-length', '11')), data(1, hello, true)],
  ],
  [
    '8.1.1: a body longer than said',
    ErrorCode.PROTOCOL_ERROR,
    [headers(1, withField('content-length', '1')), data(1, hello, true)],
  ],
]

describe('RFC 9113: what ends a stream, not the connection', () => {
  test.each(streamErrors)('%s', async (_what, code, frames) => {
    const { send, until } = await peer()
    send(...frames)
    const reset = await until(isReset)
    expect([reset.id, codeOf(reset)]).toEqual([1, code])
    send(headers(3), data(3, hello, true))
    await until(isEnd(3))
  })

  test('5.1.2: streams beyond the limit are refused, and served once others have ended', async () => {
    const { send, until } = await peer({ streamsMax: 2 })
    send(headers(1, held), headers(3, held), headers(5, held))
    const reset = await until(isReset)
    expect([reset.id, codeOf(reset)]).toEqual([5, ErrorCode.REFUSED_STREAM])
  })

  test('the handlers of streams that are reset count until they have ended', async () => {
    const { send, until } = await peer({ streamsMax: 2 })
    send(headers(1, held), frame(3, 0, 1, uint32(8)), headers(3, held), frame(3, 0, 3, uint32(8)), headers(5))
    const reset = await until(isReset)
    expect([reset.id, codeOf(reset)]).toEqual([5, ErrorCode.REFUSED_STREAM])
  })

  test('streams that are reset as fast as they are opened end the connection', async () => {
    const { send, until } = await peer({ streamsMax: 50 })
    send(...Array.from({ length: 101 }, (_, at) => [headers(2 * at + 1), frame(3, 0, 2 * at + 1, uint32(8))]).flat())
    expect(codeOf(await until(isGoAway))).toBe(ErrorCode.ENHANCE_YOUR_CALM)
  })

  test('6.9.1: more DATA than a stream allows is a FLOW_CONTROL_ERROR', async () => {
    const { send, until } = await peer()
    send(headers(1, held))
    const piece = message(Buffer.alloc(16_379))
    for (let at = 0; at <= 256; at += 1) send(data(1, piece))
    const reset = await until(isReset)
    expect([reset.id, codeOf(reset)]).toEqual([1, ErrorCode.FLOW_CONTROL_ERROR])
  })
})

describe('RFC 9113: what is allowed', () => {
  test('5.5 and 4.1: unknown frames and unknown flags are ignored', async () => {
    const { send, until } = await peer()
    send(frame(0x42, 0xff, 7, Buffer.alloc(100)), frame(1, 5 | 0x80, 1, encodeFields(requestFields)))
    await until(isEnd(1))
  })

  test('6.1 and 6.2: padding and priority are taken off', async () => {
    const { send, until } = await peer()
    const block = Buffer.concat([
      Buffer.from([3]),
      uint32(0),
      Buffer.from([16]),
      encodeFields(requestFields),
      Buffer.alloc(3),
    ])
    send(frame(1, 0x2c, 1, block), frame(0, 9, 1, Buffer.concat([Buffer.from([255]), hello, Buffer.alloc(255)])))
    const answer = await until((each) => each.type === FrameType.DATA)
    expect(answer.payload).toEqual(hello)
  })

  test('6.10: a header block in many frames', async () => {
    const { send, until } = await peer()
    const block = encodeFields(requestFields)
    const pieces = Array.from({ length: 9 }, (_, at) => block.subarray(at, at + 1))
    send(
      frame(1, 0, 1, pieces[0]),
      ...pieces.slice(1).map((each) => frame(9, 0, 1, each)),
      frame(9, 4, 1, block.subarray(9)),
    )
    send(data(1, hello, true))
    expect((await until((each) => each.type === FrameType.DATA)).payload).toEqual(hello)
  })

  test('6.7: a PING is answered with the same eight bytes', async () => {
    const { send, until } = await peer()
    send(frame(6, 0, 0, Buffer.from('12345678')))
    expect((await until(({ type }) => type === FrameType.PING)).payload.toString()).toBe('12345678')
  })

  test('6.5.3: SETTINGS are acknowledged', async () => {
    const { until } = await peer()
    await until(({ type, flags }) => type === FrameType.SETTINGS && flags === 1)
  })

  test('6.9.1: an answer keeps to the windows, byte for byte', async () => {
    const { send, until, seen } = await peer()
    send(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1), data(1, hello, true))
    await until(({ type, id }) => type === FrameType.HEADERS && id === 1)
    for (let at = 1; at <= hello.length; at += 1) {
      send(frame(8, 0, 1, uint32(1)))
      await until(() => seen.filter(({ type }) => type === FrameType.DATA).length === at)
    }
    await until(isEnd(1))
    const pieces = seen.filter(({ type }) => type === FrameType.DATA).map(({ payload }) => payload)
    expect(Buffer.concat(pieces)).toEqual(hello)
    expect(new Set(pieces.map(({ length }) => length))).toEqual(new Set([1]))
  })

  test('6.9.2: a window may shrink below nothing and grow again', async () => {
    const { send, until, seen } = await peer()
    const fields = requestFields.map(
      ([name, value]) => [name, name === ':path' ? '/test.Service/Large' : value] as const,
    )
    send(settings([Setting.INITIAL_WINDOW_SIZE, 50_000]), headers(1, fields), data(1, hello, true))
    const count = () => seen.reduce((sum, { type, payload }) => sum + (type === FrameType.DATA ? payload.length : 0), 0)
    await until(() => count() === 50_000)
    send(
      settings([Setting.INITIAL_WINDOW_SIZE, 10_000]),
      frame(8, 0, 1, uint32(40_000)),
      frame(6, 0, 0, Buffer.alloc(8)),
    )
    await until(({ type }) => type === FrameType.PING)
    expect(count()).toBe(50_000)
    send(frame(8, 0, 1, uint32(100)))
    await until(() => count() === 50_100)
    send(frame(8, 0, 1, uint32(100_000)), frame(8, 0, 0, uint32(100_000)))
    await until(isEnd(1))
    expect(count()).toBe(100_005)
  })

  test('8.1: trailers of a request end it', async () => {
    const { send, until } = await peer()
    send(headers(1), data(1, hello), headers(1, [['x-checksum', '1']], true))
    await until(isEnd(1))
  })

  test('8.1.1: a body as long as said', async () => {
    const { send, until } = await peer()
    send(headers(1, withField('content-length', String(hello.length))), data(1, hello, true))
    await until(isEnd(1))
  })

  test('6.8: a drain is announced, serves what was on its way, and says where it ended', async () => {
    const server = await start()
    const { send, until, seen, closed } = await openPeer(server.address)
    send(headers(1, held), frame(6, 0, 0, Buffer.alloc(8, 1)))
    await until(({ type }) => type === FrameType.PING)
    const drained = server.drain(10_000)
    const notice = await until(isGoAway)
    expect([notice.payload.readUInt32BE(0), codeOf(notice)]).toEqual([2 ** 31 - 1, ErrorCode.NO_ERROR])
    const ping = await until(({ type, flags }) => type === FrameType.PING && flags === 0)
    send(headers(3), data(3, hello, true), frame(6, 1, 0, ping.payload), headers(5), data(5, hello, true))
    await until(isEnd(3))
    await until((each) => isGoAway(each) && each.payload.readUInt32BE(0) === 3)
    server.release()
    await until(isEnd(1))
    await closed
    await drained
    expect(seen.some(({ id }) => id === 5)).toBe(false)
  })

  test('answers that wait for a client without room take little more than 64 MiB of a connection', async () => {
    let sent = 0
    let begun = 0
    let waiting = 0
    const server = await listen(
      [
        service({
          Echo: {
            kind: 'server-stream',
            async handle(_request, _call, send) {
              begun += 1
              for (;;) {
                sent += 64 * 1024
                const room = send(Buffer.alloc(64 * 1024))
                if (room) waiting += 1
                await room
              }
            },
          },
        }),
      ],
      { address: '127.0.0.1:0' },
    )
    cleanups.push(() => server.close())
    const { send, until, socket } = await openPeer(server.address)
    cleanups.push(() => socket.destroy())
    send(settings([Setting.INITIAL_WINDOW_SIZE, 0]))
    for (let id = 1; id < 1000; id += 2) send(headers(id), data(id, hello, true))
    // The answer comes once all calls have begun, each of which sends on until it has to wait.
    send(frame(FrameType.PING, 0, 0, Buffer.alloc(8)))
    await until(({ type, flags }) => type === FrameType.PING && flags === 1)
    expect(begun).toBeGreaterThan(0)
    expect(waiting).toBe(begun)
    expect(sent).toBeLessThanOrEqual((64 + 500 / 16 + 1) * 1024 * 1024)
    send(headers(1001), data(1001, hello, true))
    expect(codeOf(await until((each) => isReset(each) && each.id === 1001))).toBe(ErrorCode.REFUSED_STREAM)
  })

  test('requests that wait for slow handlers take no more than 80 MiB of a connection', async () => {
    const { send, socket, seen } = await peer()
    const piece = message(Buffer.alloc(16_379))
    for (let id = 1; id < 60; id += 2) send(headers(id, held))
    const allowed = () =>
      seen.reduce(
        (sum, each) =>
          sum + (each.type === FrameType.WINDOW_UPDATE && each.id === 0 ? each.payload.readUInt32BE(0) : 0),
        65_535,
      )
    let sent = 0
    for (let round = 0; round < 250; round += 1)
      for (let id = 1; id < 60; id += 2) {
        if (sent + piece.length > allowed()) {
          const answered = new Promise((resolve) => socket.once('data', resolve))
          send(frame(6, 0, 0, Buffer.alloc(8)))
          await answered
          if (sent + piece.length > allowed()) break
        }
        send(data(id, piece))
        sent += piece.length
      }
    expect(sent).toBeGreaterThan(60 * 1024 * 1024)
    expect(sent).toBeLessThanOrEqual(88 * 1024 * 1024)
  })
})
