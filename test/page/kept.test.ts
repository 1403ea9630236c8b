import { expect, test } from 'vitest'
import { createKept } from '../../src/page/kept.ts'
import { manualClock } from '../fixture/manual-clock.ts'

function open() {
  const clock = manualClock()
  let [revision, reads, tookMs] = [1, 0, 0]
  const kept = createKept<number>({ revision: () => revision }, clock, 2)
  return {
    clock,
    kept,
    write: () => (revision += 1),
    slow: (ms: number) => {
      tookMs = ms
    },
    read: (key: string) =>
      kept.of(key, async () => {
        clock.advance(tookMs)
        reads += 1
        return reads
      }),
  }
}

test('what was read is good as long as nothing is written, and for 2 s after that', async () => {
  const { clock, kept, write, read } = open()
  expect([await read('a'), await read('a')]).toEqual([1, 1])
  clock.advance(60_000)
  expect([await read('a'), kept.revision('a')]).toEqual([1, 1])
  write()
  expect([kept.revision('a'), await read('a')]).toEqual([2, 2])
  write()
  clock.advance(1_999)
  expect([kept.revision('a'), await read('a')]).toEqual([2, 2])
  clock.advance(1)
  expect([kept.revision('a'), await read('a')]).toEqual([3, 3])
})

test('what takes long to read is good for twenty times as long', async () => {
  const { clock, write, slow, read } = open()
  slow(1_000)
  expect(await read('a')).toBe(1)
  write()
  clock.advance(18_999)
  expect(await read('a')).toBe(1)
  clock.advance(1)
  expect(await read('a')).toBe(2)
})

test('those who ask at once wait for one reading, the oldest gives way, and a failure is not kept', async () => {
  const { kept, read } = open()
  expect(await Promise.all([read('a'), read('a')])).toEqual([1, 1])
  await read('b')
  await read('c')
  expect(await read('a')).toBe(4)
  await expect(kept.of('d', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await read('d')).toBe(5)
})
