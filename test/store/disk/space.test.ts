import { expect, test } from 'vitest'
import { createSpace, shortMs } from '../../../src/store/disk/space.ts'
import { manualClock } from '../../fixture/manual-clock.ts'

const bytesMax = 1000

/** A ledger of values of so many bytes, of which the first `fixed` cannot be evicted. */
function ledger(values: number, fixed: number, valueBytes = 100) {
  const clock = manualClock()
  let timesShortened = 0
  let left = values
  const space = createSpace({
    bytesMax,
    headBytes: 100,
    clock,
    async evict() {
      if (left <= fixed) return false
      left -= 1
      space.remove(valueBytes)
      return true
    },
    shortened() {
      timesShortened += 1
    },
  })
  space.add(values * valueBytes)
  return { space, clock, timesShortened: () => timesShortened }
}

test('a full disk for which nothing can be evicted leaves the store its size', async () => {
  const { space, timesShortened } = ledger(0, 0)
  expect(space.tryHold(50)).toBe(true)
  expect(await space.relieve(50)).toBe(false)
  space.release(50)
  expect(timesShortened()).toBe(0)
  await space.hold(900)
  expect(space.bytesHeld).toBe(900)
})

test('so does one for which all has been evicted without making room enough', async () => {
  const { space, timesShortened } = ledger(4, 1)
  expect(await space.relieve(500)).toBe(true)
  expect(space.bytesStored).toBe(100)
  expect(timesShortened()).toBe(0)
  expect(await space.relieve(500)).toBe(false)
  await space.hold(800)
  expect(space.bytesHeld).toBe(800)
})

test('so does one for which some has been evicted, and too little', async () => {
  const { space } = ledger(8, 7)
  expect(await space.relieve(300)).toBe(true)
  expect(space.bytesStored).toBe(700)
  await space.hold(200)
  expect(space.bytesStored + space.bytesHeld).toBe(900)
})

test('one that others fill step by step leaves the store its size once nothing is left', async () => {
  const { space } = ledger(8, 0)
  for (let at = 0; at < 8; at += 1) expect(await space.relieve(100)).toBe(true)
  expect(await space.relieve(100)).toBe(false)
  await space.hold(800)
  expect(space.bytesHeld).toBe(800)
})

test('one that gives less than the size makes the store smaller for a while, and a refusal says so', async () => {
  const { space, clock, timesShortened } = ledger(8, 0)
  expect(await space.relieve(100)).toBe(true)
  expect(timesShortened()).toBe(1)
  expect(space.tryHold(100)).toBe(false)
  await space.hold(100)
  expect(space.bytesStored + space.bytesHeld).toBe(700)
  await expect(space.hold(650)).rejects.toMatchObject({
    kind: 'exhausted',
    message: expect.stringContaining('the disk is full'),
  })
  clock.advance(shortMs + 1)
  expect(space.tryHold(200)).toBe(true)
})

test('one that leaves the store less than eviction itself may write takes half of it at a time', async () => {
  const { space, clock, timesShortened } = ledger(8, 0, 10)
  expect(await space.relieve(5)).toBe(true)
  expect(space.bytesStored).toBe(40)
  expect(timesShortened()).toBe(1)
  expect(space.tryHold(5)).toBe(false)
  await space.hold(5)
  expect(space.bytesStored + space.bytesHeld).toBeLessThanOrEqual(40)
  clock.advance(shortMs + 1)
  expect(space.tryHold(800)).toBe(true)
})

test('the half that was to be left is the limit, also where nothing could be left but by evicting all', async () => {
  const { space } = ledger(1, 0, 60)
  expect(space.tryHold(10)).toBe(true)
  expect(await space.relieve(10)).toBe(true)
  space.settle(10)
  expect(space.bytesStored).toBe(10)
  expect(space.tryHold(20)).toBe(true)
})
