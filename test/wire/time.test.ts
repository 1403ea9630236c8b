import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromDuration, fromTimestamp, toDuration, toTimestamp } from '../../src/wire/time.ts'

const invalid = expect.objectContaining({ name: 'Failure', kind: 'invalid' })

test('a time comes back to the microsecond, also one before 1970', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (ms) => {
      const wire = toTimestamp(ms)
      expect(wire.nanos).toBeGreaterThanOrEqual(0)
      expect(fromTimestamp(wire)).toBe(ms)
    }),
  )
})

test('a span comes back, also a negative one', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => {
      const wire = toDuration(ms)
      expect(Math.sign(wire.seconds) * Math.sign(wire.nanos)).toBeGreaterThanOrEqual(0)
      expect(fromDuration(wire)).toBe(ms)
    }),
  )
  expect(toDuration(1.5)).toEqual({ seconds: 0, nanos: 1_500_000 })
})

test('fractions of a millisecond never make a whole second of nanos', () => {
  fc.assert(
    fc.property(fc.double({ min: -1e9, max: 1e9, noNaN: true }), (ms) => {
      for (const { nanos } of [toTimestamp(ms), toDuration(ms)]) expect(Math.abs(nanos)).toBeLessThan(1e9)
    }),
  )
})

test('absent fields are zero', () => {
  expect(fromTimestamp({})).toBe(0)
  expect(fromDuration({ seconds: null })).toBe(0)
})

test.each([
  { seconds: 253_402_300_800 },
  { seconds: -62_135_596_801 },
  { seconds: 2 ** 63 },
  { nanos: 1e9 },
  { nanos: -1 },
  { seconds: Number.NaN },
])('no timestamp: %o', (wire) => {
  expect(() => fromTimestamp(wire)).toThrow(invalid)
})

test.each([{ seconds: 315_576_000_001 }, { seconds: 1, nanos: -1 }, { seconds: -1, nanos: 1 }, { nanos: -1e9 }])(
  'no duration: %o',
  (wire) => {
    expect(() => fromDuration(wire)).toThrow(invalid)
  },
)
