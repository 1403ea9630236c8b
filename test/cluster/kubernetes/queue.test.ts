import { expect, test } from 'vitest'
import { createQueue } from '../../../src/cluster/kubernetes/queue.ts'

async function read<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const each of items) all.push(each)
  return all
}

test('many writers are read as one, and wait while it is full', async () => {
  const queue = createQueue<number>(2)
  let written = 0
  const writers = [0, 10, 20].map(async (from) => {
    for (let at = 0; at < 5; at += 1) {
      await queue.push(from + at)
      written += 1
    }
  })
  await new Promise(setImmediate)
  expect(written).toBe(2)
  const reading = read(queue.read())
  await Promise.all(writers)
  queue.close()
  expect((await reading).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24])
})

test('an error comes after what was written, and a writer is let go', async () => {
  const queue = createQueue<number>(1)
  await queue.push(1)
  const late = queue.push(2)
  queue.close(new Error('broken'))
  const reader = queue.read()
  expect((await reader.next()).value).toBe(1)
  await expect(reader.next()).rejects.toThrow('broken')
  await late
})
