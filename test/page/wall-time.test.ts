import { expect, test } from 'vitest'
import type { ActionTimes } from '../../src/core/build-history.ts'
import { wallTime } from '../../src/page/wall-time.ts'

const step = (times: ActionTimes, to: number) => ({ action: { times }, to })
const ran = (at: number): ActionTimes => ({
  ...{ queued: at, workerStart: at + 100, inputStart: at + 100, inputEnd: at + 300 },
  ...{ runStart: at + 300, runEnd: at + 900, outputStart: at + 900, outputEnd: at + 1_000, workerEnd: at + 1_000 },
})
const lengths = (...given: Parameters<typeof wallTime>) => wallTime(...given).map(({ name, ms }) => [name, ms])

test('what is left of a build beside its critical path is the time of the client', () => {
  expect(lengths(10_000, [step(ran(4_000), 5_000), step(ran(6_000), 7_000)])).toEqual([
    ['queue', 200],
    ['fetch', 400],
    ['run', 1_200],
    ['upload', 200],
    ['client', 8_000],
  ])
})

test('an action that was queued while the one before it ran does not count that time twice', () => {
  const early = { ...ran(5_000), queued: 4_200 }
  expect(lengths(3_000, [step(ran(4_000), 5_000), step(early, 6_000)])).toEqual([
    ['queue', 200],
    ['fetch', 400],
    ['run', 1_200],
    ['upload', 200],
    ['client', 1_000],
  ])
})

test('clocks that disagree leave no time below none', () => {
  expect(lengths(500, [step(ran(4_000), 5_000), step({}, 4_000)]).at(-1)).toEqual(['client', 0])
})
