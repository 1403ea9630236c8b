import { describe, expect, test } from 'vitest'
import { segmentRecordsMax } from '../../../src/store/disk/open-segments.ts'
import { type Candidate, chooseSegment } from '../../../src/store/disk/segment-choice.ts'

const segmentBytes = 1024 * 1024 * 1024
const bounds = { segmentBytes, shortMax: 128 }
const now = 10_000

/** @param kept what part of it would be copied */
function candidate(bytesCounted: number, records: number, kept: number, surplusAt: number): Candidate {
  return { segment: { bytesCounted, records }, kept: kept * bytesCounted, keptShare: kept, surplusAt }
}

describe('which segment is evicted first', () => {
  test('the one that gives the most for its price', () => {
    const idle = candidate(segmentBytes, 1000, 0.5, 100)
    const fresh = candidate(segmentBytes, 1000, 0.4, 9_900)
    expect(chooseSegment([fresh, idle], now, bounds)).toEqual({ candidate: idle, merged: false })
  })

  test('the one with the least to copy, where there are too many short ones', () => {
    const short = Array.from({ length: 129 }, (_, at) => candidate(1000 + at, 10, 0.5, 100))
    const large = candidate(segmentBytes, 1000, 0, 0)
    const [least] = short
    expect(chooseSegment([large, ...short], now, bounds)).toEqual({ candidate: least, merged: true })
    expect(chooseSegment([large, ...short.slice(1)], now, bounds)).toEqual({ candidate: large, merged: false })
  })

  test('full of tiny values they are not short: a large store of them goes by what is used last', () => {
    const tinyBytes = 200
    const many = Array.from({ length: 1000 }, (_, at) =>
      candidate(segmentRecordsMax * tinyBytes, segmentRecordsMax, at === 500 ? 0.6 : 0.5, at === 500 ? 100 : 9_900),
    )
    expect(chooseSegment(many, now, bounds)).toEqual({ candidate: many[500], merged: false })
  })
})
