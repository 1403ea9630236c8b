import { expect, test } from 'vitest'
import { createAge, stepsPerCapacity } from '../../../src/store/disk/age.ts'
import { createDigestIndex } from '../../../src/store/disk/digest-index.ts'
import { unknownReuse } from '../../../src/store/disk/reuse.ts'
import { createReuses } from '../../../src/store/disk/reuses.ts'
import { blobOf } from '../../fixture/blob.ts'
import { manualClock } from '../../fixture/manual-clock.ts'

test('what is known of an evicted value is not lost to a write of it that fails', () => {
  const bytesMax = 1_000_000
  const age = createAge(bytesMax, 2 * stepsPerCapacity, manualClock())
  const reuses = createReuses(age, bytesMax, createDigestIndex())
  const { digest } = blobOf('a value')
  const window = reuses.window
  reuses.evicted(digest, 1, unknownReuse)
  const known = reuses.remembered(digest)
  expect(known).not.toBe(unknownReuse)
  expect(reuses.remembered(digest)).toBe(known)
  expect(reuses.window).toBe(window)
  expect(reuses.stored(digest, 100_000)).toBe(known)
  expect(reuses.window).toBeLessThan(window)
  expect(reuses.remembered(digest)).toBe(unknownReuse)
})
