import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { unpackZstd, unpackZstdStream } from '../../src/wire/compress.ts'
import { pattern } from './fixture.ts'

const mib = 1024 * 1024

function skippable(bytes: Buffer, number = 0): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(0x184d2a50 + number)
  head.writeUInt32LE(bytes.length, 4)
  return Buffer.concat([head, bytes])
}

async function* cut(bytes: Buffer, places: readonly number[]): AsyncGenerator<Buffer> {
  const sorted = [0, ...places.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  for (const [i, end] of sorted.slice(1).entries()) yield bytes.subarray(sorted[i], end)
}

async function streamed(bytes: Buffer, size: number, places: readonly number[] = []): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of unpackZstdStream(cut(bytes, places), size)) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** Frames with and without checksum and content size, and the content of each. */
const frame = fc
  .record({ size: fc.nat(3000), seed: fc.nat(), checksum: fc.boolean(), sized: fc.boolean(), zeros: fc.boolean() })
  .map(({ size, seed, checksum, sized, zeros }) => {
    const content = zeros ? Buffer.alloc(size) : pattern(size, seed)
    const params = {
      [constants.ZSTD_c_checksumFlag]: Number(checksum),
      [constants.ZSTD_c_contentSizeFlag]: Number(sized),
    }
    return { content, packed: zstdCompressSync(content, { params }) }
  })
const skipped = fc
  .record({ bytes: fc.uint8Array({ maxLength: 300 }), number: fc.nat(15) })
  .map(({ bytes, number }) => ({ content: Buffer.alloc(0), packed: skippable(Buffer.from(bytes), number) }))

describe('D9: several frames, and frames that are skipped', () => {
  test('are one content, wherever the stream is cut', async () => {
    const list = fc.array(fc.oneof(frame, skipped), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(list, fc.array(fc.nat(), { maxLength: 20 }), async (frames, places) => {
        const content = Buffer.concat(frames.map((each) => each.content))
        const packed = Buffer.concat(frames.map((each) => each.packed))
        expect((await unpackZstd(packed, content.length)).equals(content)).toBe(true)
        expect((await streamed(packed, content.length, places)).equals(content)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  test('are taken byte by byte', async () => {
    const packed = Buffer.concat([
      skippable(pattern(5)),
      zstdCompressSync(pattern(100)),
      skippable(Buffer.alloc(0)),
      zstdCompressSync(pattern(50, 2)),
    ])
    const every = Array.from({ length: packed.length }, (_, at) => at)
    expect(await streamed(packed, 150, every)).toEqual(Buffer.concat([pattern(100), pattern(50, 2)]))
  })

  test('a cut off one is refused wherever it ends, and for what it is', async () => {
    const whole = Buffer.concat([
      zstdCompressSync(pattern(200)),
      skippable(pattern(20)),
      zstdCompressSync(pattern(100)),
    ])
    const ends = new Set([zstdCompressSync(pattern(200)).length, zstdCompressSync(pattern(200)).length + 28])
    for (let at = 1; at < whole.length; at += 1) {
      const message = ends.has(at) ? /unpack to the 300 bytes/ : /end in the middle of a zstd frame/
      await expect(unpackZstd(whole.subarray(0, at), 300)).rejects.toThrow(message)
      await expect(streamed(whole.subarray(0, at), 300)).rejects.toThrow(message)
    }
  })

  test('what is not a frame behind one is refused', async () => {
    for (const rest of [Buffer.alloc(4), Buffer.from('rest'), pattern(70_000)]) {
      const bytes = Buffer.concat([zstdCompressSync(pattern(10)), rest])
      await expect(unpackZstd(bytes, 10)).rejects.toThrow(/the bytes after a zstd frame are not another frame/)
      await expect(streamed(bytes, 10)).rejects.toThrow(/the bytes after a zstd frame are not another frame/)
    }
  })

  test.each([9, 20])('a complete frame of %d MiB whose window is too large is refused for that', async (size) => {
    const params = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_windowLog]: 27 }
    const packed = zstdCompressSync(Buffer.alloc(size * mib), { params })
    await expect(streamed(packed, size * mib)).rejects.toThrow(
      /window of \d+ bytes is larger than the maximum of 8388608/,
    )
    await expect(unpackZstd(packed, size * mib)).rejects.toThrow(
      /window of \d+ bytes is larger than the maximum of 8388608/,
    )
  })

  test('a bomb of very many frames is refused', async () => {
    const empty = zstdCompressSync(Buffer.alloc(0))
    const many = Buffer.concat(Array.from({ length: 10_001 }, () => empty))
    await expect(unpackZstd(many, 0)).rejects.toThrow(/more than 10000 zstd frames/)
    await expect(streamed(many, 0)).rejects.toThrow(/more than 10000 zstd frames/)
  })

  test('a bomb in a later frame is refused at the first byte too many', async () => {
    const packed = Buffer.concat([zstdCompressSync(pattern(10)), zstdCompressSync(Buffer.alloc(200 * mib))])
    await expect(unpackZstd(packed, mib)).rejects.toThrow(/unpack to the 1048576 bytes/)
    await expect(streamed(packed, mib)).rejects.toThrow(/unpack to the 1048576 bytes/)
  })
})
