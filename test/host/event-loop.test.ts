import { expect, it } from 'vitest'
import { createEventLoopUsage } from '../../src/host/event-loop.ts'

it('tells which share of the time since the last call the event loop was not idle', async () => {
  const usage = createEventLoopUsage()
  const end = performance.now() + 20
  while (performance.now() < end) JSON.parse('[1]')
  expect(usage()).toBeCloseTo(1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(usage()).toBeLessThan(1)
})
