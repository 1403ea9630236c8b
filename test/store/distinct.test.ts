import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Digest, digestKey } from '../../src/core/digest.ts'
import { distinct } from '../../src/store/distinct.ts'

test('rule 2: each digest once, in the order of first mention; another size or function is another digest', () => {
  const digest: fc.Arbitrary<Digest> = fc.record({
    fn: fc.constantFrom('sha256', 'blake3'),
    hash: fc.constantFrom('a', 'b', 'c').map((digit) => digit.repeat(64)),
    size: fc.constantFrom(1, 2, 3),
  })
  fc.assert(
    fc.property(fc.array(digest, { maxLength: 40 }), (digests) => {
      const byKey = new Map<string, Digest>()
      for (const each of digests) if (!byKey.has(digestKey(each))) byKey.set(digestKey(each), each)
      expect(distinct(digests)).toEqual([...byKey.values()])
    }),
  )
})
