import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkedDigest,
  type DigestFunction,
  digestFromWire,
  digestFunctions,
  digestKey,
  isHex,
  sameDigest,
} from '../../src/core/digest.ts'
import { computableFunctions, createHasher, digestOf } from '../../src/core/hash.ts'

const functions = Object.keys(digestFunctions) as DigestFunction[]
const invalid = expect.objectContaining({ kind: 'invalid' })

describe('rule 2: hash and size identify a blob', () => {
  test('another size is another blob', () => {
    const one = digestOf('sha256', Buffer.from('x'))
    expect(sameDigest(one, { ...one, size: 2 })).toBe(false)
    expect(digestKey(one)).not.toBe(digestKey({ ...one, size: 2 }))
  })

  test('upper-case hex is refused', () => {
    const { hash } = digestOf('sha256', Buffer.from('x'))
    expect(() => checkedDigest('sha256', hash.toUpperCase(), 1)).toThrow(invalid)
  })

  test.each([-1, 1.5, 2 ** 53, Number.NaN])('a size of %d is refused', (size) => {
    expect(() => checkedDigest('sha1', 'a'.repeat(40), size)).toThrow(invalid)
  })
})

describe('rule 4: a function that is not named is told by the length', () => {
  test.each(functions.filter((fn) => !digestFunctions[fn].named))('%s', (fn) => {
    const hash = 'a'.repeat(digestFunctions[fn].hexLength)
    expect(digestFromWire({ hash, sizeBytes: 3 }, 0)).toEqual({ fn, hash, size: 3 })
  })

  test('blake3 has to be named, or its hash is read as sha256', () => {
    const hash = 'b'.repeat(64)
    expect(digestFromWire({ hash, sizeBytes: 0 }, 9).fn).toBe('blake3')
    expect(digestFromWire({ hash, sizeBytes: 0 }, 0).fn).toBe('sha256')
  })

  test('a length that no function gives, and a function that we do not compute, are refused', () => {
    expect(() => digestFromWire({ hash: 'abc' }, 0)).toThrow(invalid)
    expect(() => digestFromWire({ hash: 'a'.repeat(32) }, 3)).toThrow(invalid)
    expect(() => digestFromWire(undefined, 1)).toThrow(invalid)
  })
})

test('nothing that a client sends as a digest crashes the check', () => {
  fc.assert(
    fc.property(fc.string(), fc.double(), fc.integer({ min: -2, max: 20 }), (hash, sizeBytes, value) => {
      try {
        const digest = digestFromWire({ hash, sizeBytes }, value)
        expect(digest.size).toBe(sizeBytes)
      } catch (error) {
        expect(error).toMatchObject({ kind: 'invalid' })
      }
    }),
  )
})

test('a hash is hexadecimal in the bytes that came just when it is as a text', () => {
  const byte = fc.oneof(fc.constantFrom(...Buffer.from('0123456789abcdef')), fc.nat(255))
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.array(byte, { minLength: 40, maxLength: 40 }),
      (before, digits) => {
        const hash = Buffer.from(digits)
        const bytes = Buffer.concat([before, hash, before])
        const hex = isHex(bytes, before.length, before.length + hash.length)
        expect(hex).toBe(/^[0-9a-f]+$/.test(hash.toString('latin1')))
        const check = () => digestFromWire({ hash: hash.toString('latin1'), sizeBytes: 1 }, 2)
        if (hex) expect(check().hash).toBe(hash.toString('latin1'))
        else expect(check).toThrow(invalid)
      },
    ),
  )
})

test('digits that look alike beyond ASCII are not digits', () => {
  expect(() => checkedDigest('sha1', '\u0130'.repeat(40), 1)).toThrow(invalid)
  expect(() => digestFromWire({ hash: 'a'.repeat(40), sizeBytes: 1, hex: false }, 2)).toThrow(invalid)
})

test('pieces and the whole have one hash, in every function that is advertised', () => {
  fc.assert(
    fc.property(fc.constantFrom(...computableFunctions), fc.array(fc.uint8Array(), { maxLength: 5 }), (fn, pieces) => {
      const hasher = createHasher(fn)
      for (const piece of pieces) hasher.update(piece)
      expect(hasher.hex()).toBe(digestOf(fn, Buffer.concat(pieces)).hash)
    }),
  )
})

test('BLAKE3 gives what its specification says for an empty input', () => {
  expect(computableFunctions).toContain('blake3')
  expect(digestOf('blake3', new Uint8Array(0)).hash).toBe(
    'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
  )
})
