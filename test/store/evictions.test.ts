import { expect, test } from 'vitest'
import { createEvictions } from '../../src/store/evictions.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'

test('what was evicted is told since the start, and of the last hour', () => {
  const clock = manualClock(0)
  const evictions = createEvictions(1000, clock, quietLog)
  evictions.note(undefined, 10, undefined)
  clock.advance(59 * 60_000)
  evictions.note(undefined, 5, undefined)
  expect(evictions.lastHour()).toEqual({ count: 2, bytes: 15 })
  clock.advance(60_000)
  expect(evictions.lastHour()).toEqual({ count: 1, bytes: 5 })
  expect(evictions).toMatchObject({ count: 2, bytes: 15 })
})
