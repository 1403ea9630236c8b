import { describe, expect, test } from 'vitest'
import { stepsPerCapacity } from '../../../src/store/disk/age.ts'
import { addTo, classOf, emptyTally, rankClasses } from '../../../src/store/disk/ranks.ts'
import { reusedAfter, unknownReuse } from '../../../src/store/disk/reuse.ts'

const now = 100 * stepsPerCapacity
const capacities = (count: number) => count * stepsPerCapacity

/** A value of one byte, by how many capacities ago it was used, and what is known of it. */
function value(idle: number, reuse = unknownReuse): number {
  return classOf(now, now - capacities(idle), reuse)
}

const proven = (distance: number) => reusedAfter(unknownReuse, capacities(distance), true)
const cameBack = (distance: number) => reusedAfter(unknownReuse, capacities(distance), false)

/** The values in the order in which they are kept. */
function ranked(values: readonly number[], windowBytes: number, keepBytesMax = values.length) {
  const tally = emptyTally()
  for (const each of values) addTo(tally, each, 1)
  const { end, placeOf } = rankClasses(tally, keepBytesMax, windowBytes)
  return { order: values.toSorted((a, b) => placeOf(a) - placeOf(b)), end }
}

describe('what is kept before what', () => {
  test.each([
    { what: 'the later use, among what nothing is known of', values: [value(0.5), value(0.6), value(3)] },
    { what: 'what is known to be used again, before what is not', values: [value(1.5, proven(2)), value(0.2)] },
    { what: 'the shorter distance', values: [value(1.5, proven(1)), value(0.3, proven(2)), value(0.3, proven(5))] },
    { what: 'what gave proof, within an octave', values: [value(1.6, proven(1.2)), value(0.3, cameBack(1.1))] },
    { what: 'of what came back, who was there before', values: [value(1.9, cameBack(2)), value(0.3, cameBack(2))] },
    { what: 'what is not overdue', values: [value(0.5, proven(0.6)), value(3, proven(0.6))] },
    { what: 'even the unknown, before what is overdue for long', values: [value(2), value(4, proven(0.4))] },
    { what: 'so too where it was used again late', values: [value(5), value(10, proven(1.2)), value(70, proven(8))] },
    { what: 'what is not overdue, however late it is used again', values: [value(60, proven(16)), value(2)] },
  ])('$what', ({ values }) => {
    expect(ranked(values.toReversed(), 0).order).toEqual(values)
  })

  test('within the window, last use and nothing else', () => {
    const values = [value(0.1), value(0.2, proven(2)), value(0.3), value(0.9, proven(0.5)), value(0.5)]
    expect(ranked(values.toReversed(), 3).order).toEqual(values)
  })

  test('what was used last is within the window, though it is larger', () => {
    const newest = [value(0), value(0), value(0)]
    const values = [...newest, value(0.3, proven(2)), value(0.4)]
    expect(ranked(values.toReversed(), 2).order).toEqual(values)
  })

  test('with a window as large as what is kept, it is by last use alone', () => {
    const values = [value(0.1), value(0.5), value(0.7, proven(0.4)), value(1), value(2, proven(0.5))]
    expect(ranked(values.toReversed(), 4, 4)).toEqual({ order: values, end: 4 })
  })
})
