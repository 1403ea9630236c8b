import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { reservedSegments } from '../../src/core/instance.ts'
import { blobSubject, parseReadName, parseWriteName, readName, writeName } from '../../src/wire/resource.ts'

const hash = 'a'.repeat(64)
const sha: Digest = { fn: 'sha256', hash, size: 5 }
const blake: Digest = { fn: 'blake3', hash, size: 5 }
const invalid = expect.objectContaining({ name: 'Failure', kind: 'invalid' })

const hexOf = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`))
const size = fc.nat(Number.MAX_SAFE_INTEGER)
const digests = fc.oneof(
  fc.record({ fn: fc.constant('sha256' as const), hash: hexOf(64), size }),
  fc.record({ fn: fc.constant('blake3' as const), hash: hexOf(64), size }),
  fc.record({ fn: fc.constant('sha1' as const), hash: hexOf(40), size }),
  fc.record({ fn: fc.constant('sha512' as const), hash: hexOf(128), size }),
)
const segment = fc.stringMatching(/^[a-zA-Z0-9._-]{1,12}$/).filter((each) => !reservedSegments.has(each))
const instance = fc.array(segment, { maxLength: 4 }).map((each) => each.join('/'))
const compressor = fc.constantFrom('identity' as const, 'zstd' as const)

describe('names that are made are read back', () => {
  test('of reads', () => {
    fc.assert(
      fc.property(fc.record({ instance, compressor, digest: digests }), (name) => {
        expect(parseReadName(readName(name))).toEqual(name)
      }),
    )
  })

  test('of writes, with metadata behind them or without', () => {
    const names = fc.record({ instance, compressor, digest: digests, uuid: fc.uuid() })
    fc.assert(
      fc.property(names, fc.array(segment, { maxLength: 3 }), (name, metadata) => {
        expect(parseWriteName([writeName(name), ...metadata].join('/'))).toEqual(name)
      }),
    )
  })
})

test('any text is read or is invalid', () => {
  const words = fc.constantFrom(...reservedSegments, hash, '5', '', 'zstd', 'sha256', 'blake3', 'main')
  const texts = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.array(fc.oneof(words, fc.string()), { maxLength: 9 }).map((each) => each.join('/')),
  )
  fc.assert(
    fc.property(texts, (text) => {
      for (const parse of [parseReadName, parseWriteName])
        try {
          parse(text)
        } catch (error) {
          expect(error).toEqual(invalid)
        }
    }),
    { numRuns: 2000 },
  )
})

test('rule 3: the instance may be empty or many segments, and metadata may follow the size of an upload', () => {
  expect(parseReadName(`blobs/${hash}/5`)).toEqual({ instance: '', compressor: 'identity', digest: sha })
  expect(parseReadName(`a/b/c/blobs/${hash}/5`).instance).toBe('a/b/c')
  expect(parseWriteName(`a/b/uploads/id/blobs/${hash}/5/some/path/blobs/x`)).toMatchObject({
    instance: 'a/b',
    uuid: 'id',
  })
  expect(() => parseReadName(`blobs/${hash}/5/more`)).toThrow(invalid)
})

test('rule 3: no segment of an instance may be a keyword', () => {
  for (const word of reservedSegments) expect(() => parseReadName(`${word}/blobs/${hash}/5`), word).toThrow(invalid)
})

test('rule 4: the function is named only where the length of the hash does not tell it', () => {
  expect(readName({ instance: '', compressor: 'identity', digest: sha })).toBe(`blobs/${hash}/5`)
  expect(readName({ instance: 'i', compressor: 'zstd', digest: blake })).toBe(
    `i/compressed-blobs/zstd/blake3/${hash}/5`,
  )
  expect(parseReadName(`blobs/blake3/${hash}/5`).digest).toEqual(blake)
  expect(parseReadName(`blobs/${hash}/5`).digest).toEqual(sha)
})

test('rule 25: the subject of a missing blob', () => {
  expect(blobSubject(sha)).toBe(`blobs/${hash}/5`)
  expect(blobSubject(blake)).toBe(`blobs/blake3/${hash}/5`)
})

test.each([
  '',
  'blobs',
  `blobs/${hash}`,
  `blobs/${hash}/`,
  `blobs/${hash}/-1`,
  `blobs/${hash}/05`,
  `blobs/${hash}/5.0`,
  `blobs/${hash}/9007199254740992`,
  `blobs/${hash.toUpperCase()}/5`,
  `blobs/${hash.slice(1)}/5`,
  `//blobs/${hash}/5`,
  `a//blobs/${hash}/5`,
  `compressed-blobs/${hash}/5`,
  `compressed-blobs/identity/${hash}/5`,
  `compressed-blobs/brotli/${hash}/5`,
  `uploads/id/blobs/${hash}/5`,
  `${'i/'.repeat(3000)}blobs/${hash}/5`,
])('no name of a read: %.60s', (name) => {
  expect(() => parseReadName(name)).toThrow(invalid)
})

test.each([
  `blobs/${hash}/5`,
  `uploads/blobs/${hash}/5`,
  `uploads//blobs/${hash}/5`,
  `uploads/id/${hash}/5`,
  `uploads/id`,
])('no name of a write: %.60s', (name) => {
  expect(() => parseWriteName(name)).toThrow(invalid)
})

test('a slash before the name is taken: moon writes one where it has no instance name', () => {
  for (const start of ['', 'moon-outputs/']) {
    const instance = start.slice(0, -1)
    expect(parseReadName(`/${start}blobs/${hash}/5`)).toMatchObject({ instance, digest: { hash, size: 5 } })
    expect(parseWriteName(`/${start}uploads/id/blobs/${hash}/5`)).toMatchObject({ instance, uuid: 'id' })
  }
  expect(() => parseReadName(`//blobs/${hash}/5`)).toThrow(invalid)
})
