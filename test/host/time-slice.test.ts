import { expect, test } from 'vitest'
import { createTimeSlice } from '../../src/host/time-slice.ts'

test('a slice is over after its time, and the next one begins once others have had their turn', async () => {
  const slice = createTimeSlice(5)
  expect(slice.over).toBe(false)
  const until = performance.now() + 6
  while (performance.now() < until);
  expect(slice.over).toBe(true)
  let turned = false
  setImmediate(() => {
    turned = true
  })
  await slice.next()
  expect(turned).toBe(true)
})
