import { expect, test } from 'vitest'
import { backoffMs, spreadMs } from '../../src/core/backoff.ts'

test('a wait doubles with each failure up to its bound, however many there were', () => {
  const bounds = { msMin: 100, msMax: 1_000 }
  expect([1, 2, 3, 4, 5, 5_000].map((failures) => backoffMs(failures, bounds))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ])
})

test('waits of many are spread over their second half', () => {
  expect([0, 0.5, 1].map((random) => spreadMs(1_000, random))).toEqual([500, 750, 1_000])
})
