import { once } from 'node:events'
import { connect, createServer, type Http2Server } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeFields, HpackDecoder } from '../../../src/wire/http2/hpack.ts'
import { ConnectionError, ErrorCode, FrameType, frameHeadBytes, preface } from '../../../src/wire/http2/protocol.ts'
import { settings } from './peer.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

function decode(decoder: HpackDecoder, block: Buffer): string[][] | undefined {
  return decoder.decode(block, 0, block.length)?.map(({ name, value }) => [name, value])
}

describe('RFC 7541, appendix C', () => {
  test('C.2: single fields', () => {
    const decoder = new HpackDecoder(1000)
    const custom = '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'
    expect(decode(decoder, hex(custom))).toEqual([['custom-key', 'custom-header']])
    expect(decode(decoder, hex('040c 2f73 616d 706c 652f 7061 7468'))).toEqual([[':path', '/sample/path']])
    expect(decode(decoder, hex('82'))).toEqual([[':method', 'GET']])
    expect(decode(decoder, hex('be'))).toEqual([['custom-key', 'custom-header']])
  })

  test('C.4: requests with Huffman code that build on each other', () => {
    const decoder = new HpackDecoder(1000)
    const first = [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
    ]
    expect(decode(decoder, hex('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'))).toEqual(first)
    expect(decode(decoder, hex('8286 84be 5886 a8eb 1064 9cbf'))).toEqual([...first, ['cache-control', 'no-cache']])
  })
})

/** The peer whose encoder is nghttp2's: what it sends is what the real clients send. */
describe('blocks of a real encoder', () => {
  let server: Http2Server
  let blocks: Buffer[]
  let socket: Socket | undefined
  let session: ReturnType<typeof connect>
  let more: (() => void) | undefined

  beforeAll(async () => {
    server = createServer()
    blocks = []
    const tcp = createTcpServer((each) => {
      socket = each
      each.write(settings())
      let rest = Buffer.alloc(0)
      let greeted = false
      each.on('data', (chunk) => {
        rest = Buffer.concat([rest, chunk])
        if (!greeted) {
          rest = rest.subarray(preface.length)
          greeted = true
        }
        while (rest.length >= frameHeadBytes && rest.length >= frameHeadBytes + rest.readUIntBE(0, 3)) {
          const end = frameHeadBytes + rest.readUIntBE(0, 3)
          // nghttp2 sends a priority only when asked to.
          if (rest[3] === FrameType.HEADERS) blocks.push(Buffer.from(rest.subarray(frameHeadBytes, end)))
          rest = rest.subarray(end)
        }
        more?.()
      })
    })
    tcp.listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    session = connect(`http://127.0.0.1:${(tcp.address() as AddressInfo).port}`)
    session.on('error', () => undefined)
    await once(session, 'remoteSettings')
    server.once('close', () => tcp.close())
  })

  afterAll(() => {
    session.destroy()
    socket?.destroy()
    server.close()
  })

  test('decode to what was sent, table and Huffman code included', async () => {
    const decoder = new HpackDecoder(100_000)
    const value = fc.string({
      unit: fc
        .oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0xa1, max: 0xff }))
        .map((code) => String.fromCharCode(code)),
      maxLength: 300,
    })
    const fields = fc.dictionary(
      fc.stringMatching(/^x-[a-z0-9-]{1,20}$/),
      value.map((text) => text.trim()),
      { maxKeys: 8 },
    )
    await fc.assert(
      fc.asyncProperty(fields, async (extra) => {
        const count = blocks.length
        const arrived = new Promise<void>((resolve) => {
          more = () => {
            if (blocks.length > count) resolve()
          }
        })
        const stream = session.request({ ':method': 'POST', ':path': '/x', ...extra })
        stream.on('error', () => undefined)
        await arrived
        stream.close()
        const seen = new Map(
          decode(decoder, blocks.at(-1) ?? Buffer.alloc(0))?.map(([name = '', text = '']) => [name, text]),
        )
        for (const [name, text] of Object.entries(extra)) expect(seen.get(name)).toBe(text)
        expect(seen.get(':path')).toBe('/x')
      }),
      { numRuns: 200 },
    )
  })
})

describe('the table', () => {
  const insert = (name: string, value: string) =>
    Buffer.concat([Buffer.from([0x40]), encodeFields([[name, value]]).subarray(1)])

  test('old entries give way to new ones, and one that is too large empties it', () => {
    const decoder = new HpackDecoder(1_000_000)
    for (let at = 0; at < 1000; at += 1) decode(decoder, insert('name', `value ${at}`))
    expect(decode(decoder, Buffer.from([0x80 | 62]))).toEqual([['name', 'value 999']])
    const last = 61 + Math.floor(4096 / (4 + 9 + 32))
    expect(decode(decoder, Buffer.from([0xff, last - 127]))?.[0]?.[0]).toBe('name')
    decode(decoder, insert('large', 'x'.repeat(5000)))
    expect(() => decode(decoder, Buffer.from([0x80 | 62]))).toThrow(ConnectionError)
  })

  test('its size may be lowered and raised, but not beyond what we allow, and only at the start', () => {
    const decoder = new HpackDecoder(1000)
    decode(decoder, insert('a', 'b'))
    decode(decoder, Buffer.from([0x20]))
    expect(() => decode(decoder, Buffer.from([0x80 | 62]))).toThrow(ConnectionError)
    decode(decoder, Buffer.from([0x3f, 0xe1, 0x1f]))
    decode(decoder, insert('a', 'b'))
    expect(decode(decoder, Buffer.from([0x80 | 62]))).toEqual([['a', 'b']])
    expect(() => decode(decoder, Buffer.from([0x3f, 0xe2, 0x1f]))).toThrow(ConnectionError)
    expect(() => decode(decoder, Buffer.from([0x82, 0x20]))).toThrow(ConnectionError)
  })

  test('a small block that refers to large fields is no way around the list’s limit', () => {
    const decoder = new HpackDecoder(16_384)
    decode(decoder, insert('large', 'x'.repeat(4000)))
    expect(decode(decoder, Buffer.alloc(10_000, 0x80 | 62))).toBeUndefined()
    expect(decode(decoder, Buffer.from([0x80 | 62]))).toHaveLength(1)
  })
})

test('what we encode decodes to the same, whatever its length', () => {
  const text = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 400,
  })
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 5 }), (fields) => {
      expect(decode(new HpackDecoder(100_000), encodeFields(fields))).toEqual(fields)
    }),
  )
})

test('any bytes decode to fields or to a COMPRESSION_ERROR', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder(10_000)
      try {
        for (const block of blocks) decode(decoder, Buffer.from(block))
      } catch (error) {
        expect(error).toMatchObject({ name: 'ConnectionError', code: ErrorCode.COMPRESSION_ERROR })
      }
    }),
    { numRuns: 2000 },
  )
})

describe('malformed Huffman code', () => {
  const huffman = (...bytes: number[]) => Buffer.from([0, 0x80 | bytes.length, ...bytes, 0])
  test.each([
    ['padding of zeros', [0x18]],
    ['padding of a whole byte', [0x1f, 0xff]],
    ['the end mark', [0xff, 0xff, 0xff, 0xff]],
  ])('%s', (_what, bytes) => {
    expect(() => decode(new HpackDecoder(1000), huffman(...bytes))).toThrow(ConnectionError)
  })

  test('a whole code is taken', () => {
    expect(decode(new HpackDecoder(1000), huffman(0x1f))).toEqual([['a', '']])
  })
})

test('what is encoded is read again, whatever its length', () => {
  for (const length of [0, 1, 126, 127, 128, 254, 255, 256, 16_510, 16_511, 16_512, 40_000]) {
    const fields: [string, string][] = [
      ['grpc-message', 'é'.repeat(length)],
      ['x'.repeat(length + 1), ''],
    ]
    expect(decode(new HpackDecoder(1_000_000), encodeFields(fields))).toEqual(fields)
  }
})
