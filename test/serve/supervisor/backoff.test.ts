import { expect, test } from 'vitest'
import { nextPauseMs } from '../../../src/serve/supervisor/backoff.ts'

test('the first pause is short; then they double from a second to thirty', () => {
  const pauses: number[] = []
  for (let pause = 0; pauses.length < 8; pauses.push(pause)) pause = nextPauseMs(pause, 10)
  expect(pauses).toEqual([100, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
})

test('a healthy minute makes the next crash the first again', () => {
  expect(nextPauseMs(30_000, 59_999)).toBe(30_000)
  expect(nextPauseMs(30_000, 60_000)).toBe(100)
})
