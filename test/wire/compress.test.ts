import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { packZstd, packZstdStream, unpackZstd, unpackZstdStream } from '../../src/wire/compress.ts'
import { from, pattern } from './fixture.ts'

const invalid = { name: 'Failure', kind: 'invalid' }
const mib = 1024 * 1024

async function joined(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const each of source) pieces.push(each)
  return Buffer.concat(pieces)
}

const sizes = [0, 1, 1000, 70_000, 5 * mib]

describe('in one go', () => {
  test.each(sizes)('%d bytes come back', async (size) => {
    expect((await unpackZstd(await packZstd(pattern(size)), size)).equals(pattern(size))).toBe(true)
  })

  test('a bomb is refused, whatever size was named', async () => {
    const bomb = await packZstd(Buffer.alloc(100 * mib))
    expect(bomb.length).toBeLessThan(20_000)
    for (const size of [0, 1, 1000, mib]) await expect(unpackZstd(bomb, size)).rejects.toMatchObject(invalid)
  })

  test('too few bytes, cut off, rubbish and nothing at all are refused', async () => {
    const packed = await packZstd(pattern(1000))
    await expect(unpackZstd(packed, 1001)).rejects.toMatchObject(invalid)
    for (const bytes of [packed.subarray(0, -1), pattern(100), Buffer.alloc(0), Buffer.concat([packed, pattern(9)])])
      await expect(unpackZstd(bytes, 1000)).rejects.toMatchObject(invalid)
  })

  test('a frame that wants a window beyond 8 MiB is refused', async () => {
    const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 }
    const packed = zstdCompressSync(Buffer.alloc(200 * mib), { params })
    await expect(unpackZstd(packed, 200 * mib)).rejects.toMatchObject(invalid)
  })

  test('any bytes are unpacked or refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(1000), async (bytes, size) => {
        const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
        for (const each of [bytes, Buffer.concat([magic, bytes])])
          await unpackZstd(each, size).catch((error) => expect(error).toMatchObject(invalid))
      }),
    )
  })
})

describe('as a stream', () => {
  test.each(sizes)('%d bytes come back, however they were cut', async (size) => {
    const content = pattern(size)
    async function* cut(bytes: Buffer, length: number) {
      for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
    }
    const packed = await joined(packZstdStream(cut(content, 100_000)))
    expect((await unpackZstd(packed, size)).equals(content)).toBe(true)
    expect((await joined(unpackZstdStream(cut(packed, 9999), size))).equals(content)).toBe(true)
  })

  test('pieces may be borrowed: each is used up before the next is asked for', async () => {
    const content = pattern(5 * mib)
    const packed = await packZstd(content)
    async function* lent(bytes: Buffer) {
      const memory = Buffer.alloc(50_000)
      for (let at = 0; at < bytes.length; at += memory.length) {
        const length = bytes.copy(memory, 0, at)
        yield memory.subarray(0, length)
        memory.fill(0xdd)
      }
    }
    expect((await joined(unpackZstdStream(lent(packed), content.length))).equals(content)).toBe(true)
    expect((await unpackZstd(await joined(packZstdStream(lent(content))), content.length)).equals(content)).toBe(true)
  })

  test('a bomb is refused at the first byte too many', async () => {
    const bomb = await packZstd(Buffer.alloc(200 * mib))
    let seen = 0
    const reading = (async () => {
      for await (const each of unpackZstdStream(from(bomb), mib)) seen += each.length
    })()
    await expect(reading).rejects.toMatchObject(invalid)
    expect(seen).toBeLessThanOrEqual(mib)
  })

  test('too few bytes, cut off, rubbish and what follows a frame are refused', async () => {
    const many = Array.from({ length: 50 }, (_, at) => pattern(100_000, at))
    const packed = await packZstd(pattern(1000))
    await expect(joined(unpackZstdStream(from(packed), 1001))).rejects.toMatchObject(invalid)
    await expect(joined(unpackZstdStream(from(packed.subarray(0, -1)), 1000))).rejects.toMatchObject(invalid)
    await expect(joined(unpackZstdStream(from(pattern(100)), 1000))).rejects.toMatchObject(invalid)
    await expect(joined(unpackZstdStream(from(Buffer.concat([packed, packed])), 1000))).rejects.toMatchObject(invalid)
    await expect(joined(unpackZstdStream(from(packed, ...many), 1000))).rejects.toMatchObject(invalid)
    await expect(joined(unpackZstdStream(from(), 0))).rejects.toMatchObject(invalid)
  })

  test('what the source throws comes through as it is', async () => {
    const broken = new Error('the source is gone')
    async function* source() {
      yield (await packZstd(pattern(1000))).subarray(0, 100)
      throw broken
    }
    await expect(joined(unpackZstdStream(source(), 1000))).rejects.toBe(broken)
  })

  test('a reader that leaves ends the source', async () => {
    let ended = false
    async function* endless() {
      try {
        for (;;) yield pattern(100_000)
      } finally {
        ended = true
      }
    }
    for await (const _each of packZstdStream(endless())) break
    await expect.poll(() => ended).toBe(true)
  })
})
