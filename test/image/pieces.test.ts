import { randomBytes } from 'node:crypto'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expanded } from '../../src/image/expand.ts'
import { part } from '../../src/image/media/registry/part.ts'
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
    expect((await gathered(expanded(spoiledPieces(small()), compression))).equals(stock)).toBe(true)
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
          ),
        ),
      ).rejects.toThrow()
    const failing = async function* () {
      yield half
      throw new Error('broken')
    }
    await expect(gathered(expanded(failing(), 'gzip'))).rejects.toThrow('broken')
  })

  it('can be left in the middle', async () => {
    for await (const piece of expanded(piecesOf([]), 'none')) expect(piece).toBeDefined()
    for await (const piece of expanded(
      (async function* () {
        yield gzipSync(stock)
      })(),
      'gzip',
    )) {
      expect(piece.byteLength).toBeGreaterThan(0)
      break
    }
  })
})
