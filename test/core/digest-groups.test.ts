import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { digestGroups } from '../../src/core/digest-groups.ts'

const digests = fc.array(fc.nat(50).map((size) => ({ fn: 'sha256' as const, hash: '0'.repeat(64), size })))

test('groups have all digests in their order, and hold what they may and no group is needless', () => {
  fc.assert(
    fc.property(
      digests,
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 5 }),
      (all, bytesMax, countMax) => {
        const groups = [...digestGroups(all, { bytesMax, countMax })]
        expect(groups.flat()).toEqual(all)
        const bytes = (group: readonly Digest[]) => group.reduce((sum, { size }) => sum + size, 0)
        for (const [at, group] of groups.entries()) {
          expect(group.length).toBeGreaterThan(0)
          expect(group.length).toBeLessThanOrEqual(countMax)
          expect(group.length === 1 || bytes(group) <= bytesMax).toBe(true)
          const next = groups[at + 1]?.[0]
          if (next) expect(group.length === countMax || bytes(group) + next.size > bytesMax).toBe(true)
        }
      },
    ),
  )
})

test('without a bound of their number, those that are empty are one group', () => {
  const empty = Array.from({ length: 1000 }, () => ({ fn: 'sha256' as const, hash: '0'.repeat(64), size: 0 }))
  expect([...digestGroups(empty, { bytesMax: 1 })]).toHaveLength(1)
})
