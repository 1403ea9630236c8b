import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRepMaxCdcChunker, type RepMaxCdcParams } from '../../../src/store/chunks/rep-max-cdc.ts'
import { noise } from '../../cache/fixture.ts'

/** The lengths of the chunks of a blob that comes in pieces, after a check that they are the blob. */
function lengths(bytes: Buffer, params: RepMaxCdcParams, pieceBytes = 256 * 1024): number[] {
  const chunker = createRepMaxCdcChunker(params, bytes.length)
  const found: Buffer[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes)
    for (const chunk of chunker.take(bytes.subarray(at, at + pieceBytes))) found.push(Buffer.from(chunk))
  expect(Buffer.concat(found).equals(bytes)).toBe(true)
  return found.map((chunk) => chunk.length)
}

/** What `vectors/main.go` has made with the reference implementation, over inputs that it describes. */
interface Vector {
  readonly input: string
  readonly min: number
  readonly horizon: number
  readonly chunks: number
  readonly sha256: string
}
const vectors = JSON.parse(
  readFileSync(new URL('vectors/rep-max-cdc.json', import.meta.url), 'utf8'),
) as readonly Vector[]

/** `input` of `vectors/main.go`. */
function input(kind: string, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = 2_463_534_242
  const next = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state
  }
  if (kind === 'noise')
    for (let at = 0; at < length; at += 4) {
      const word = next()
      for (let i = 0; i < 4 && at + i < length; i += 1) bytes[at + i] = word >>> (8 * i)
    }
  if (kind === 'pattern') for (let at = 0; at < length; at += 1) bytes[at] = at % 251
  if (kind === 'text')
    for (let at = 0, line = 0; at < length; line += 1) at += bytes.write(`This is line ${line} of a text.\n`, at)
  if (kind === 'islands')
    for (let at = 0; at < length; at += 1) {
      const word = next()
      if (Math.floor(at / 100) % 3 !== 0) bytes[at] = word
    }
  return bytes
}

function sizes(min: number, horizon: number): number[] {
  const full = 2 * min + horizon
  const around = [1, 63, min - 1, min, min + 1, 2 * min - 1, 2 * min, 2 * min + 1, 3 * min - 1, 3 * min]
  return [...around, full - 1, full, full + 1, full + min, 3 * full + 17, 20 * min + horizon + 5]
}

function expectVector({ input: kind, min, horizon, chunks, sha256 }: Vector, all: readonly number[]): void {
  const hash = createHash('sha256')
  let count = 0
  for (const size of all) {
    const found = lengths(input(kind, size), { minBytes: min, horizonBytes: horizon })
    count += found.length
    hash.update(`${found.join(',')}\n`)
  }
  expect({ chunks: count, sha256: hash.digest('hex') }).toEqual({ chunks, sha256 })
}

const isLarge = ({ min }: Vector) => min === 262_144

test.each(vectors.filter((each) => !isLarge(each)))(
  'as the reference cuts: $input, at least $min, horizon $horizon',
  (vector) => expectVector(vector, sizes(vector.min, vector.horizon)),
)

test.each(vectors.filter(isLarge))('as the reference cuts 20 MB with what the API recommends: $input', (vector) =>
  expectVector(vector, [20_000_003]),
)

/** The definition, word for word: each chunk looks at its whole horizon, and at parts of it again. */
function byDefinition(bytes: Buffer, { minBytes, horizonBytes }: RepMaxCdcParams): number[] {
  const hashes = hashesOf(bytes)
  const found: number[] = []
  let start = 0
  while (bytes.length - start >= 2 * minBytes) {
    const first = start + minBytes
    let last = Math.min(first + horizonBytes, bytes.length - minBytes)
    for (;;) {
      let best = first
      for (let place = first + 1; place <= last; place += 1)
        if ((hashes[place] as bigint) > (hashes[best] as bigint)) best = place
      last = best - minBytes
      if (last >= first) continue
      found.push(best - start)
      start = best
      break
    }
  }
  return start < bytes.length ? [...found, bytes.length - start] : found
}

const gear = Array.from({ length: 256 }, (_, byte) =>
  createHash('md5').update(Buffer.alloc(64, byte)).digest().readBigUInt64BE(),
)

function hashAfter(hash: bigint, byte: number): bigint {
  return BigInt.asUintN(64, (hash << 1n) + (gear[byte] as bigint))
}

/** The hash at each place of a blob: of all bytes before it, of which 64 bits remain. */
function hashesOf(bytes: Buffer): bigint[] {
  const hashes = [0n]
  for (const byte of bytes) hashes.push(hashAfter(hashes.at(-1) as bigint, byte))
  return hashes
}

/** Many kinds of bytes: of few values hashes are equal or rise for long. */
const blobs = fc
  .record({ length: fc.integer({ min: 1, max: 3000 }), seed: fc.nat(), values: fc.constantFrom(1, 2, 3, 256) })
  .map(({ length, seed, values }) => Buffer.from(noise(length, seed).map((byte) => byte % values)))

test('any blob is cut as the definition has it, however its bytes come', () => {
  const params = fc.record({
    minBytes: fc.integer({ min: 64, max: 200 }),
    horizonBytes: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 2000 })),
  })
  fc.assert(
    fc.property(blobs, params, fc.integer({ min: 1, max: 700 }), (bytes, each, pieceBytes) => {
      expect(lengths(bytes, each, pieceBytes)).toEqual(byDefinition(bytes, each))
    }),
    { numRuns: 300 },
  )
})

test('bytes whose hash rises all the time are cut in one pass', () => {
  const bytes = rising(6000)
  const params = { minBytes: 64, horizonBytes: 1000 }
  const hashes = hashesOf(bytes)
  const rises = hashes.filter((hash, place) => place > 64 && hash > (hashes[place - 1] as bigint)).length
  expect(rises).toBeGreaterThan(3000)
  expect(lengths(bytes, params)).toEqual(byDefinition(bytes, params))
})

/** Bytes of which each makes the hash rise as little as it can, or else fall. */
function rising(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let hash = 0n
  for (let at = 0; at < length; at += 1) {
    const each = gear.map((_, byte) => hashAfter(hash, byte))
    let best = -1
    for (const [byte, next] of each.entries())
      if (next > hash && (best < 0 || next < (each[best] as bigint))) best = byte
    bytes[at] = Math.max(best, 0)
    hash = each[bytes[at] as number] as bigint
  }
  return bytes
}
