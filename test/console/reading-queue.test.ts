import { expect, it } from 'vitest'
import type { Readable } from '../../src/console/ingest.ts'
import { createReadingQueue } from '../../src/console/reading-queue.ts'
import { blobOf } from '../fixture/blob.ts'

const action = blobOf('action').digest
const readable = (content: number, ran = true): Readable => ({ content, action, instance: '', ran })
const contents = (actions: readonly Readable[]) => actions.map(({ content }) => content)

it('takes no more than 50,000', () => {
  const queue = createReadingQueue()
  queue.add(
    Array.from({ length: 50_001 }, (_, at) => readable(at)),
    0,
  )
  expect(queue.size).toBe(50_000)
  expect(queue.next()).toHaveLength(100)
})

it('puts what fails behind the others, where each waits alone, and lets it go in the end', () => {
  const queue = createReadingQueue()
  queue.add(
    [1, 2].map((content) => readable(content)),
    0,
  )
  expect(queue.failed(queue.next())).toEqual([])
  queue.add([readable(3)], 0)
  expect(contents(queue.next())).toEqual([1])
  expect(queue.failed(queue.next())).toEqual([])
  expect(contents(queue.next())).toEqual([2])
  queue.done(queue.next())
  expect(contents(queue.next())).toEqual([3])
  queue.done(queue.next())
  const left: number[] = []
  let tries = 2
  for (; queue.size > 0 && tries < 100; tries += 1) left.push(...contents(queue.failed(queue.next())))
  expect(left).toEqual([1])
  expect(tries).toBe(8)
})

it('keeps what a worker has run meanwhile, since its input tree is now there', () => {
  const queue = createReadingQueue()
  queue.add([readable(1, false)], 0)
  const read = queue.next()
  queue.add([readable(1)], 0)
  queue.done(read)
  expect(queue.next()).toEqual([readable(1)])
})
