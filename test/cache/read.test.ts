import { zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chunkBytesMax, smallBlobBytesMax } from '../../src/core/limits.ts'
import { bytestream } from '../../src/wire/proto.ts'
import { blobName, blobOf, codeOf, noise, openCache, readAll, readPieces, streams } from './fixture.ts'

const hello = blobOf('hello')
const empty = blobOf('')

describe('Read', () => {
  test('a small blob comes in one message', async () => {
    const { channel, blobs } = openCache()
    await blobs.put(hello.digest, hello.bytes)
    expect(await readPieces(channel, blobName(hello.digest))).toEqual([Buffer.from('hello')])
  })

  test.each([chunkBytesMax, chunkBytesMax + 1, smallBlobBytesMax, smallBlobBytesMax + 1, 5_000_000])(
    '%i bytes come in bounded messages, plain and compressed',
    async (size) => {
      const { channel, blobs } = openCache()
      const blob = blobOf(noise(size))
      await blobs.put(blob.digest, blob.bytes)
      const plain = await readPieces(channel, blobName(blob.digest))
      expect(blobOf(Buffer.concat(plain)).digest).toEqual(blob.digest)
      expect(Math.max(...plain.map((each) => each.length))).toBeLessThanOrEqual(chunkBytesMax)
      const packed = await readPieces(channel, blobName(blob.digest, true))
      expect(blobOf(zstdDecompressSync(Buffer.concat(packed))).digest).toEqual(blob.digest)
      expect(Math.max(...packed.map((each) => each.length))).toBeLessThanOrEqual(chunkBytesMax)
    },
  )

  test('rule 1: the empty blob is read without having been written, compressed too', async () => {
    const { channel } = openCache()
    expect((await readAll(channel, blobName(empty.digest))).length).toBe(0)
    expect(zstdDecompressSync(await readAll(channel, blobName(empty.digest, true))).length).toBe(0)
  })

  test('rule 2: the right hash with another size is NOT_FOUND', async () => {
    const { channel, blobs } = openCache()
    await blobs.put(hello.digest, hello.bytes)
    expect(await codeOf(readAll(channel, blobName({ ...hello.digest, size: 6 })))).toBe('NOT_FOUND')
    expect(await codeOf(readAll(channel, blobName({ ...hello.digest, size: 10_000_000 })))).toBe('NOT_FOUND')
  })

  test('rule 10: an offset beyond the end is OUT_OF_RANGE; a limit beyond it is none', async () => {
    const { channel, blobs } = openCache()
    await blobs.put(hello.digest, hello.bytes)
    const name = blobName(hello.digest)
    expect(await codeOf(readAll(channel, name, { offset: 6 }))).toBe('OUT_OF_RANGE')
    expect(await codeOf(readAll(channel, name, { offset: -1 }))).toBe('OUT_OF_RANGE')
    expect(await codeOf(readAll(channel, name, { limit: -1 }))).toBe('INVALID_ARGUMENT')
    expect((await readAll(channel, name, { offset: 5 })).length).toBe(0)
    expect((await readAll(channel, name, { offset: 3, limit: 100 })).toString()).toBe('lo')
    expect((await readAll(channel, name, { limit: 2 })).toString()).toBe('he')
  })

  test('rule 10: any range of a blob, small or large', async () => {
    const { channel, blobs } = openCache()
    const both = [noise(100_000), noise(smallBlobBytesMax + 300_000)].map((bytes) => blobOf(bytes))
    for (const each of both) await blobs.put(each.digest, each.bytes)
    const range = fc.record({ which: fc.nat(1), offset: fc.nat(1_400_000), limit: fc.nat(1_400_000) })
    await fc.assert(
      fc.asyncProperty(range, async ({ which, offset, limit }) => {
        const { digest, bytes } = both[which] ?? hello
        const from = Math.min(offset, digest.size)
        const part = await readAll(channel, blobName(digest), { offset: from, limit })
        expect(part.equals(bytes.subarray(from, limit === 0 ? undefined : from + limit))).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  test('rule 9: of a compressed blob the offset counts uncompressed bytes, and a limit is INVALID_ARGUMENT', async () => {
    const { channel, blobs } = openCache()
    for (const size of [1000, smallBlobBytesMax + 1000]) {
      const blob = blobOf(noise(size))
      await blobs.put(blob.digest, blob.bytes)
      const name = blobName(blob.digest, true)
      const rest = zstdDecompressSync(await readAll(channel, name, { offset: 900 }))
      expect(rest.equals(blob.bytes.subarray(900))).toBe(true)
      expect(zstdDecompressSync(await readAll(channel, name, { offset: size })).length).toBe(0)
      expect(await codeOf(readAll(channel, name, { limit: 10 }))).toBe('INVALID_ARGUMENT')
      expect(await codeOf(readAll(channel, name, { offset: size + 1 }))).toBe('OUT_OF_RANGE')
    }
  })

  test('an empty range of an absent large blob is NOT_FOUND all the same', async () => {
    const { channel } = openCache()
    const absent = { ...hello.digest, size: 5_000_000 }
    expect(await codeOf(readAll(channel, blobName(absent), { offset: absent.size }))).toBe('NOT_FOUND')
  })

  test.each([
    '',
    'blobs',
    'blobs/abc/5',
    `blobs/${hello.digest.hash}`,
    `blobs/${hello.digest.hash}/-5`,
    `blobs/${hello.digest.hash}/5/more`,
    `blobs/${hello.digest.hash.toUpperCase()}/5`,
    `compressed-blobs/brotli/${hello.digest.hash}/5`,
    `uploads/uuid/blobs/${hello.digest.hash}/5`,
    `blobs/md5/${hello.digest.hash.slice(0, 32)}/5`,
    `nowhere/blobs/${hello.digest.hash}/5`,
  ])('rule 3: the name %j is INVALID_ARGUMENT', async (name) => {
    const { channel } = openCache()
    expect(await codeOf(readAll(channel, name))).toBe('INVALID_ARGUMENT')
  })

  test('rule 3: instance names of no, one and many segments', async () => {
    const { channel, blobs } = openCache()
    await blobs.put(hello.digest, hello.bytes)
    for (const prefix of ['', 'main/', 'a/b/'])
      expect((await readAll(channel, prefix + blobName(hello.digest))).toString()).toBe('hello')
  })

  test('a client that stops reading does not make the server read on', async () => {
    let pieces = 0
    const { channel, blobs } = openCache({
      decorate: (inner) => ({
        ...inner,
        async read(digest, range) {
          const source = await inner.read(digest, range)
          return source && countPieces(source, () => (pieces += 1))
        },
      }),
    })
    const blob = blobOf(noise(64 * chunkBytesMax))
    await blobs.put(blob.digest, blob.bytes)
    const request = bytestream.ReadRequest.encode({ resourceName: blobName(blob.digest) }).finish()
    const messages = channel.serverStream(`${streams}/Read`, request)[Symbol.asyncIterator]()
    await messages.next()
    await messages.return?.()
    expect(pieces).toBeLessThan(8)
  })
})

async function* countPieces(source: AsyncIterable<Uint8Array>, count: () => void): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    count()
    yield piece
  }
}
