import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCutter, type FastCdcParams } from '../../../src/store/chunks/fast-cdc.ts'
import { noise } from '../../cache/fixture.ts'

/** The lengths of the chunks of a blob that comes in pieces. */
function lengths(bytes: Buffer, params: FastCdcParams, pieceBytes = bytes.length): number[] {
  const cutter = createCutter(params, bytes.length)
  const ends: number[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes)
    for (let from = 0; from < piece.length; ) {
      const end = cutter.next(piece, from)
      if (end < 0) break
      ends.push(at + end)
      from = end
    }
  }
  return ends.map((end, index) => end - (ends[index - 1] ?? 0))
}

/** What the crate fastcdc 3.2.1 (v2020, level 2) makes of the same bytes. The published vectors hold too; their picture is not ours to keep. */
test.each([
  {
    bytes: 4_000_001,
    averageBytes: 524_288,
    seed: 0,
    chunks: [552_011, 520_817, 388_667, 546_220, 570_928, 327_330, 316_094, 302_214, 475_720],
  },
  {
    bytes: 4_000_001,
    averageBytes: 524_288,
    seed: 666,
    chunks: [727_535, 709_637, 532_031, 588_426, 620_345, 568_617, 253_410],
  },
  {
    bytes: 20_001,
    averageBytes: 1024,
    seed: 0,
    chunks: [1271, 1178, 1166, 1079, 1262, 1199, 970, 1073, 1201, 1837, 1473, 1124, 892, 2110, 1404, 762],
  },
  {
    bytes: 700_000,
    averageBytes: 65_536,
    seed: 2 ** 32 - 1,
    chunks: [79_621, 67_962, 83_474, 66_509, 84_962, 67_912, 20_830, 65_844, 69_910, 86_857, 6119],
  },
])('$bytes bytes, average $averageBytes, seed $seed', ({ bytes, chunks, ...params }) => {
  expect(lengths(noise(bytes, 7), params)).toEqual(chunks)
})

test('how the bytes come does not matter, and the bounds hold', () => {
  const size = fc.integer({ min: 1, max: 40_000 })
  fc.assert(
    fc.property(
      size,
      fc.integer({ min: 1, max: 5000 }),
      fc.constantFrom(1024, 4096),
      (length, pieceBytes, averageBytes) => {
        const bytes = noise(length, length)
        const found = lengths(bytes, { averageBytes, seed: 0 }, pieceBytes)
        expect(found).toEqual(lengths(bytes, { averageBytes, seed: 0 }))
        expect(found.reduce((sum, each) => sum + each, 0)).toBe(length)
        expect(found.slice(0, -1).every((each) => each >= averageBytes / 4)).toBe(true)
        expect(Math.max(...found)).toBeLessThanOrEqual(averageBytes * 4)
      },
    ),
  )
})

test('bytes that never meet the mask are cut at four times the average', () => {
  expect(lengths(Buffer.alloc(10_000), { averageBytes: 1024, seed: 0 })).toEqual([4096, 4096, 1808])
})
