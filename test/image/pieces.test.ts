import { randomBytes } from 'node:crypto'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expanded } from '../../src/archive/expand.ts'
import { part } from '../../src/image/media/registry/slice.ts'
import { readPieces, writePieces } from '../../src/image/pieces.ts'
import { testFolder } from '../fixture/folder.ts'
import { spoiledPieces } from '../fixture/spoiled.ts'

const stock = randomBytes(3_000_000)

async function* piecesOf(sizes: readonly number[]): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0
  for (const size of sizes) {
    yield stock.subarray(at, at + size)
    at += size
  }
}

async function gathered(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of content) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

/** Bytes in pieces that end at these places. */
async function* cut(bytes: Buffer, places: readonly number[]): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0
  for (const place of [...places, bytes.length].sort((a, b) => a - b)) {
    if (place > at) yield bytes.subarray(at, place)
    at = Math.max(at, place)
  }
}

/** A frame of zstd that says nothing (RFC 8878, 3.1.2). */
function skippable(bytes: number): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt32LE(0x184d2a50, 0)
  header.writeUInt32LE(bytes, 4)
  return Buffer.concat([header, Buffer.alloc(bytes, 9)])
}

const sizes = fc.array(fc.oneof(fc.nat(70_000), fc.constantFrom(0, 262_143, 262_144, 524_288, 600_000)), {
  maxLength: 4,
})

describe('pieces of files', () => {
  it('are written as they came, whatever their sizes, and not kept', async () => {
    const file = join(await testFolder(), 'file')
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(1000), async (list, offset) => {
        const total = list.reduce((sum, each) => sum + each, 0)
        const handle = await open(file, 'w')
        try {
          expect(await writePieces(handle, offset, spoiledPieces(piecesOf(list)))).toBe(offset + total)
        } finally {
          await handle.close()
        }
        expect((await readFile(file)).subarray(offset).equals(stock.subarray(0, total))).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  it('are read from any part, and end where the file does', async () => {
    const file = join(await testFolder(), 'file')
    await writeFile(file, stock)
    const handle = await open(file, 'r')
    try {
      await fc.assert(
        fc.asyncProperty(fc.nat(stock.length + 10), fc.nat(stock.length + 10), async (offset, size) => {
          const read = await gathered(readPieces(handle, offset, size))
          expect(read.equals(stock.subarray(offset, offset + size))).toBe(true)
        }),
        { numRuns: 30 },
      )
    } finally {
      await handle.close()
    }
  })

  it('that fail in the middle fail the writing with their own error', async () => {
    const handle = await open(join(await testFolder(), 'file'), 'w')
    const failing = async function* () {
      yield stock.subarray(0, 600_000)
      throw new Error('broken')
    }
    await expect(writePieces(handle, 0, failing())).rejects.toThrow('broken')
    await handle.close()
  })
})

describe('a part of pieces', () => {
  it('holds the last one back without keeping it', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(100_000), async (list, offset) => {
        const total = list.reduce((sum, each) => sum + each, 0)
        const from = Math.min(offset, total)
        const read = await gathered(part(spoiledPieces(piecesOf(list)), from, total - from))
        expect(read.equals(stock.subarray(from, total))).toBe(true)
      }),
      { numRuns: 30 },
    )
  })
})

describe('expanding', () => {
  it.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('%s gives what was compressed, from pieces that are not kept', async (compression, compress) => {
    const compressed = compress(stock)
    const small = async function* () {
      for (let at = 0; at < compressed.length; at += 50_000) yield compressed.subarray(at, at + 50_000)
    }
    expect((await gathered(expanded(spoiledPieces(small()), compression, 'x'))).equals(stock)).toBe(true)
  })

  it('of damaged bytes, of half a stream and of content that fails ends with an error', async () => {
    const good = gzipSync(stock)
    const bad = Buffer.from(good)
    bad.fill(0, 1000, 2000)
    const half = good.subarray(0, 500_000)
    for (const each of [bad, half])
      await expect(
        gathered(
          expanded(
            (async function* () {
              yield each
            })(),
            'gzip',
            'x',
          ),
        ),
      ).rejects.toThrow()
    const failing = async function* () {
      yield half
      throw new Error('broken')
    }
    await expect(gathered(expanded(failing(), 'gzip', 'x'))).rejects.toThrow('broken')
  })

  it.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)(
    'takes every part of %s that was written in several, however its pieces are cut',
    async (kind, compress) => {
      const parts = [stock.subarray(0, 70_000), stock.subarray(70_000, 70_001), stock.subarray(70_001, 200_000)]
      const frames = parts.map((each) => compress(each))
      // Frames that are skipped stand before, between and behind the others of zstd (pzstd, zstd:chunked).
      const compressed = Buffer.concat(
        kind === 'zstd' ? [skippable(0), ...frames.flatMap((each) => [each, skippable(300)])] : frames,
      )
      const cuts = fc.array(fc.nat(compressed.length), { maxLength: 6 })
      const atFrames = frames.map((_, at) => Buffer.concat(frames.slice(0, at + 1)).length)
      await fc.assert(
        fc.asyncProperty(cuts, async (places) => {
          const pieces = spoiledPieces(cut(compressed, places))
          expect((await gathered(expanded(pieces, kind, 'x'))).equals(stock.subarray(0, 200_000))).toBe(true)
        }),
        { numRuns: 50, examples: [[[]], [atFrames]] },
      )
    },
  )

  it.each([
    ['zstd', 'a byte that begins no frame', zstdCompressSync(stock), Buffer.from('A')],
    ['zstd', 'zeros', zstdCompressSync(stock), Buffer.alloc(600_000)],
    ['zstd', 'half a frame', zstdCompressSync(stock), zstdCompressSync(stock).subarray(0, 100)],
    ['gzip', 'a byte that begins no member', gzipSync(stock), Buffer.from('A')],
    ['gzip', 'half a member', gzipSync(stock), gzipSync(stock).subarray(0, 100)],
  ] as const)('of %s with %s behind it ends with an error', async (kind, _, good, behind) => {
    for (const places of [[], [good.length]]) {
      const content = cut(Buffer.concat([good, behind]), places)
      await expect(gathered(expanded(content, kind, 'x'))).rejects.toMatchObject({ kind: 'corrupt' })
    }
  })

  it('reads its content to the end behind zeros that fill up gzip, for whoever verifies it', async () => {
    const compressed = Buffer.concat([gzipSync(stock), Buffer.alloc(600_000)])
    for (const places of [[], [gzipSync(stock).length], [gzipSync(stock).length + 10]]) {
      let isWhole = false
      const watched = async function* () {
        yield* cut(compressed, places)
        isWhole = true
      }
      expect((await gathered(expanded(watched(), 'gzip', 'x'))).equals(stock)).toBe(true)
      expect(isWhole).toBe(true)
    }
  })

  it('lets go of its content when it is left, and when it fails', async () => {
    for (const [bytes, isLeft] of [
      [zstdCompressSync(stock), true],
      [Buffer.alloc(1000, 7), false],
    ] as const) {
      let isClosed = false
      const watched = async function* () {
        try {
          yield* cut(bytes, [100])
        } finally {
          isClosed = true
        }
      }
      const reading = (async () => {
        for await (const _ of expanded(watched(), 'zstd', 'x')) break
      })()
      if (isLeft) await reading
      else await expect(reading).rejects.toThrow()
      expect(isClosed).toBe(true)
    }
  })

  it('can be left in the middle', async () => {
    for await (const piece of expanded(piecesOf([]), 'none', 'x')) expect(piece).toBeDefined()
    for await (const piece of expanded(
      (async function* () {
        yield gzipSync(stock)
      })(),
      'gzip',
      'x',
    )) {
      expect(piece.byteLength).toBeGreaterThan(0)
      break
    }
  })
})
