import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isProven, octaveOf, reusedAfter, reuseOctave, unknownReuse, unproven } from '../../../src/store/disk/reuse.ts'

const steps = fc.integer({ min: 2, max: 2 ** 32 - 1 })

describe('a reuse distance in a byte', () => {
  test('fits, is never taken for unknown, and keeps its octave', () => {
    fc.assert(
      fc.property(steps, fc.boolean(), (distance, inStore) => {
        const reuse = reusedAfter(unknownReuse, distance, inStore)
        expect(reuse).toBeGreaterThan(1)
        expect(reuse).toBeLessThanOrEqual(0xff)
        expect(isProven(reuse)).toBe(inStore)
        expect(isProven(unproven(reuse))).toBe(false)
        expect(reuseOctave(reuse)).toBe(octaveOf(distance))
      }),
    )
  })

  test('moves towards each new distance, and does not jump to it', () => {
    fc.assert(
      fc.property(steps, steps, (first, second) => {
        const [low, high] = [Math.min(first, second), Math.max(first, second)]
        const reuse = unproven(reusedAfter(reusedAfter(unknownReuse, first, true), second, true))
        expect(reuse).toBeGreaterThanOrEqual(reusedAfter(unknownReuse, low, false))
        expect(reuse).toBeLessThanOrEqual(reusedAfter(unknownReuse, high, false))
      }),
    )
  })
})
