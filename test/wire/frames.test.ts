import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameReader } from '../../src/wire/frames.ts'
import { Code } from '../../src/wire/rpc.ts'
import { pattern } from './fixture.ts'
import { frame } from './raw-client.ts'

const mib = 1024 * 1024

function read(chunks: readonly Buffer[], { bytesMax = mib, gzip = false, budget = { left: 64 * mib } } = {}) {
  const messages: Buffer[] = []
  const reader = new FrameReader(
    { bytesMax, gzip, budget, pool: undefined },
    { message: (each) => void messages.push(each) },
  )
  for (const chunk of chunks) {
    // The bytes around it are not the reader's, and what it took is overwritten.
    const larger = Buffer.concat([Buffer.from('##'), chunk, Buffer.from('##')])
    reader.push(larger, 2, 2 + chunk.length)
    larger.fill(0)
  }
  return { messages, reader, budget }
}

test('messages are the same however the bytes were cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })
  fc.assert(
    fc.property(messages, fc.array(fc.nat(2500)), (list, cuts) => {
      const bytes = Buffer.concat(list.map((each) => frame(each)))
      const places = [0, ...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length]
      const chunks = places.slice(1).map((end, at) => bytes.subarray(places[at], end))
      const { messages: got, reader, budget } = read(chunks)
      expect(got).toEqual(list.map((each) => Buffer.from(each)))
      expect(reader.idle).toBe(true)
      expect(budget.left).toBe(64 * mib)
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
  const { budget } = read([frame(pattern(10), { length: mib })])
  expect(64 * mib - budget.left).toBe(80 * 1024)
})

test('incomplete messages take no more together than they may, and give it back', () => {
  const budget = { left: 3 * mib }
  const begin = () => read([frame(pattern(100_000), { length: mib })], { budget })
  const readers = [begin(), begin(), begin()]
  expect(begin).toThrow(expect.objectContaining({ code: Code.RESOURCE_EXHAUSTED }))
  for (const { reader } of readers) reader.drop()
  expect(budget.left).toBeGreaterThanOrEqual(2 * mib)
})

test('a gzip message may be empty, and is bounded by what it unpacks to', () => {
  const packed = (bytes: Buffer) => frame(gzipSync(bytes), { flag: 1 })
  expect(read([packed(Buffer.alloc(0))], { gzip: true }).messages).toEqual([Buffer.alloc(0)])
  expect(read([packed(Buffer.alloc(mib))], { gzip: true }).messages[0]).toHaveLength(mib)
  expect(() => read([packed(Buffer.alloc(mib + 1))], { gzip: true })).toThrow(
    expect.objectContaining({ code: Code.RESOURCE_EXHAUSTED }),
  )
})
