import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTimeSlice, type TimeSlice } from '../../../src/host/time-slice.ts'
import {
  addToSegment,
  eachOfSegments,
  emptySegmentTally,
  hasRoomFor,
  makeRoomFor,
} from '../../../src/store/disk/segment-tally.ts'

test('adds up by segment and class, however many there are', async () => {
  const addition = fc.record({
    segment: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 0xffff_ffff })),
    each: fc.integer({ min: 0, max: 30_000 }),
    bytes: fc.integer({ min: 1, max: 2 ** 30 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(addition, { maxLength: 3000 }), async (additions) => {
      const tally = emptySegmentTally()
      const slice = createTimeSlice()
      const sums = new Map<string, number>()
      for (const { segment, each, bytes } of [...additions, ...additions]) {
        if (!hasRoomFor(tally, 1)) await makeRoomFor(tally, 1, slice)
        addToSegment(tally, segment, each, bytes)
        sums.set(`${segment}/${each}`, (sums.get(`${segment}/${each}`) ?? 0) + bytes)
      }
      const found: [string, number][] = []
      await eachOfSegments(tally, slice, (segment, each, bytes) => found.push([`${segment}/${each}`, bytes]))
      expect(new Map(found)).toEqual(sums)
      expect(found).toHaveLength(sums.size)
    }),
    { numRuns: 30 },
  )
})

/** A slice that is always over, and counts. */
function overSlice(): TimeSlice & { readonly turns: number } {
  let turns = 0
  return {
    over: true,
    get turns() {
      return turns
    },
    async next() {
      turns += 1
    },
  }
}

test('others have their turn while it grows and while it is looked through', async () => {
  const pairs = 20_000
  const tally = emptySegmentTally()
  await makeRoomFor(tally, pairs, overSlice())
  for (let segment = 1; segment <= pairs; segment += 1) addToSegment(tally, segment, 0, 1)
  const growing = overSlice()
  await makeRoomFor(tally, pairs, growing)
  expect(hasRoomFor(tally, pairs)).toBe(true)
  expect(growing.turns).toBeGreaterThan(pairs / 1024)
  const looking = overSlice()
  const seen = new Map<number, number>()
  await eachOfSegments(tally, looking, () => seen.set(looking.turns, (seen.get(looking.turns) ?? 0) + 1))
  expect([...seen.values()].reduce((sum, each) => sum + each)).toBe(pairs)
  expect(Math.max(...seen.values())).toBeLessThanOrEqual(1024)
})
