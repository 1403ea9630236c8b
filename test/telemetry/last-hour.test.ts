import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLastHour } from '../../src/telemetry/last-hour.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { manualClock } from '../fixture/manual-clock.ts'

const minute = 60_000

test('the sum is that of this minute and the 59 before it, whenever it is counted and asked', () => {
  const steps = fc.array(
    fc.record({ by: fc.nat(9), waitMs: fc.constantFrom(0, 1, 30_000, minute, 7 * minute, 59 * minute, 200 * minute) }),
  )
  fc.assert(
    fc.property(steps, fc.nat(10 * minute), (counted, start) => {
      const clock = manualClock(start)
      const lastHour = createLastHour(clock)
      const all: { minute: number; by: number }[] = []
      for (const { by, waitMs } of counted) {
        all.push({ minute: Math.floor(clock.now() / minute), by })
        lastHour.add(by)
        clock.advance(waitMs)
        const oldest = Math.floor(clock.now() / minute) - 59
        const sum = all.filter((each) => each.minute >= oldest).reduce((total, each) => total + each.by, 0)
        expect(lastHour.sum()).toBe(sum)
      }
    }),
  )
})

test('a clock that is set back loses nothing, and does not keep it for ever', () => {
  let now = 100 * minute
  const lastHour = createLastHour({ now: () => now })
  lastHour.add(1)
  now -= 50 * minute
  lastHour.add(2)
  expect(lastHour.sum()).toBe(3)
  now += 111 * minute
  expect(lastHour.sum()).toBe(0)
})

test('it is told as a gauge of its labels', async () => {
  const clock = manualClock()
  const metrics = createMetrics()
  const lookups = metrics.lastHour('native_lookups_last_hour', 'Lookups.', ['result'], clock)
  lookups.inc({ result: 'hit' }, 2)
  expect(await metrics.text()).toContain('native_lookups_last_hour{result="hit"} 2')
  clock.advance(60 * minute)
  expect(await metrics.text()).toContain('native_lookups_last_hour{result="hit"} 0')
})
