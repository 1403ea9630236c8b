import { expect, test } from 'vitest'
import { createDigestIndex } from '../../../src/store/disk/digest-index.ts'
import { unknownReuse } from '../../../src/store/disk/reuse.ts'
import { cell } from '../../../src/store/disk/shard.ts'
import { takeSurvey } from '../../../src/store/disk/survey.ts'
import { blobOf } from '../../fixture/blob.ts'

test('what is written to a segment after a survey is to be kept, and is no waste', async () => {
  const index = createDigestIndex()
  const digests = Array.from({ length: 10 }, (_, at) => blobOf(`value ${at}`).digest)
  for (const [at, digest] of digests.entries())
    index.set(digest, { segment: 1, offset: at * 2000, length: 1000 }, at < 5 ? 10_000 : 1, unknownReuse)
  const survey = await takeSurvey({
    index,
    now: 10_000,
    room: 20_000,
    keepBytesMax: 6000,
    windowBytes: 6000,
    segments: [{ number: 1, bytesCounted: 20_000 }],
    files: [],
  })
  const then = survey.divide(1, 20_000)
  expect(then.kept).toBeGreaterThan(5000)
  expect(then.kept).toBeLessThan(6000)
  expect(survey.divide(1, 23_000)).toEqual({ kept: then.kept + 3000, surplusAt: then.surplusAt })
  expect(survey.divide(2, 4000).kept).toBe(4000)
})

test('so is what is written while it is made', async () => {
  const index = createDigestIndex()
  index.set(blobOf('idle').digest, { segment: 1, offset: 0, length: 1000 }, 1, unknownReuse)
  const segment = { number: 1, bytesCounted: 1000 }
  const survey = await takeSurvey({
    index: {
      *parts() {
        yield* index.parts()
        // All parts have been seen when this one comes.
        index.set(blobOf('new').digest, { segment: 1, offset: 1000, length: 400 }, 10_000, unknownReuse)
        segment.bytesCounted += 500
      },
    },
    now: 10_000,
    room: 20_000,
    keepBytesMax: 0,
    windowBytes: 0,
    segments: [segment],
    files: [],
  })
  expect(survey.divide(1, segment.bytesCounted).kept).toBe(500)
})

/** A part of an index with one value in each of so many segments. */
function wideIndex(segments: number) {
  const stride = cell.key + 8
  const cells = new Uint32Array(segments * stride)
  for (let at = 0; at < segments; at += 1) {
    cells[at * stride + cell.segment] = at + 1
    cells[at * stride + cell.length] = 1000
  }
  return { fn: 'sha256', shard: { count: segments, cells, marks: undefined }, stride } as const
}

test.each([
  { what: 'segments', segments: 60_000, fileCount: 0 },
  { what: 'large files', segments: 1, fileCount: 60_000 },
])('other work goes on while many $what are put in order, not only while the index is read', async (many) => {
  const { segments, fileCount } = many
  let turns = 0
  let turnsWhenRead = 0
  let ticking = setImmediate(function tick() {
    turns += 1
    ticking = setImmediate(tick)
  })
  const survey = await takeSurvey({
    index: {
      *parts() {
        yield wideIndex(segments)
        turnsWhenRead = turns
      },
    },
    now: 10_000,
    room: 2e12,
    keepBytesMax: 1e12,
    windowBytes: 1e12,
    segments: [{ number: segments, bytesCounted: 2000 }],
    files: Array.from({ length: fileCount }, (_, at) => ({
      used: at % 10_000,
      reuse: at % 256,
      bytes: 2_000_000,
      marks: 0,
    })),
  })
  clearImmediate(ticking)
  expect(turns - turnsWhenRead).toBeGreaterThan(2)
  const { kept } = survey.divide(segments, 2000)
  expect(kept).toBeGreaterThan(1000)
  expect(kept).toBeLessThan(2000)
})
