import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameReader } from '../../src/wire/frames.ts'
import { Ledger } from '../../src/wire/ledger.ts'
import { Code } from '../../src/wire/rpc.ts'
import { pattern } from './fixture.ts'
import { frame } from './raw-client.ts'

const mib = 1024 * 1024

/** Memory for so many bytes of one client's messages. */
function memory(bytesMax = 64 * mib) {
  return new Ledger({ bytesMax, clientBytesMax: bytesMax, connectionBytesMax: bytesMax }).open('here')
}

function read(chunks: readonly Buffer[], { bytesMax = mib, gzip = false, account = memory() } = {}) {
  const messages: Buffer[] = []
  const reader = new FrameReader(
    { bytesMax, gzip, memory: account, pool: undefined },
    { message: (each) => void messages.push(each) },
  )
  for (const chunk of chunks) {
    // The bytes around it are not the reader's, and what it took is overwritten.
    const larger = Buffer.concat([Buffer.from('##'), chunk, Buffer.from('##')])
    reader.push(larger, 2, 2 + chunk.length)
    larger.fill(0)
  }
  return { messages, reader, account }
}

test('messages are the same however the bytes were cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })
  fc.assert(
    fc.property(messages, fc.array(fc.nat(2500)), (list, cuts) => {
      const bytes = Buffer.concat(list.map((each) => frame(each)))
      const places = [0, ...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length]
      const chunks = places.slice(1).map((end, at) => bytes.subarray(places[at], end))
      const { messages: got, reader, account } = read(chunks)
      expect(got).toEqual(list.map((each) => Buffer.from(each)))
      expect(reader.idle).toBe(true)
      expect(account.held).toBe(0)
    }),
  )
})

test('a large message in small pieces', () => {
  const bytes = frame(pattern(mib))
  const chunks = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, at) =>
    bytes.subarray(at * 1000, at * 1000 + 1000),
  )
  expect(read(chunks).messages[0]?.equals(pattern(mib))).toBe(true)
})

test('any bytes are messages or an RpcError', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), fc.boolean(), (chunks, gzip) => {
      try {
        read(
          chunks.map((each) => Buffer.from(each)),
          { gzip, bytesMax: 100 },
        )
      } catch (error) {
        expect(error).toMatchObject({ name: 'RpcError' })
      }
    }),
  )
})

test('what a message announces takes little memory until its bytes come', () => {
  const { account } = read([frame(pattern(10), { length: mib })])
  expect(account.held).toBe(80 * 1024)
})

test('H2: where memory is short, a message takes no more than twice what has come of it', () => {
  const account = memory(8 * mib)
  account.add(2 * mib)
  const { account: same } = read([frame(pattern(100_000), { length: mib })], { account })
  expect(same.held - 2 * mib).toBeLessThanOrEqual(200_000)
})

test('incomplete messages take no more together than they may, and give it back', () => {
  const account = memory(3 * mib)
  const begun: ReturnType<typeof read>[] = []
  const begin = () => begun.push(read([frame(pattern(500_000), { length: mib })], { account }))
  expect(() => {
    for (let i = 0; i < 10; i += 1) begin()
  }).toThrow(expect.objectContaining({ code: Code.RESOURCE_EXHAUSTED }))
  expect(begun.length).toBeGreaterThan(1)
  expect(account.held).toBeLessThanOrEqual(3 * mib)
  for (const { reader } of begun) reader.drop()
})

test('a gzip message may be empty, and is bounded by what it unpacks to', () => {
  const packed = (bytes: Buffer) => frame(gzipSync(bytes), { flag: 1 })
  expect(read([packed(Buffer.alloc(0))], { gzip: true }).messages).toEqual([Buffer.alloc(0)])
  expect(read([packed(Buffer.alloc(mib))], { gzip: true }).messages[0]).toHaveLength(mib)
  expect(() => read([packed(Buffer.alloc(mib + 1))], { gzip: true })).toThrow(
    expect.objectContaining({ code: Code.RESOURCE_EXHAUSTED }),
  )
})

test('what messages cost is counted: each of them, and what has to be unpacked', () => {
  const work = { units: 0 }
  const reader = new FrameReader(
    { bytesMax: mib, gzip: true, memory: memory(), pool: undefined, work },
    { message: () => undefined },
  )
  const empty = Buffer.concat(Array.from({ length: 100 }, () => frame(Buffer.alloc(0))))
  reader.push(empty, 0, empty.length)
  expect(work.units).toBe(100)
  const packed = frame(gzipSync(Buffer.alloc(mib)), { flag: 1 })
  reader.push(packed, 0, packed.length)
  expect(work.units).toBe(100 + 1 + 512)
})
