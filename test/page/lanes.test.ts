import { expect, test } from 'vitest'
import { lanesOf } from '../../src/page/lanes.ts'
import { actionRecord } from '../fixture/action-record.ts'

function ran(worker: string, from: number, to: number) {
  return { action: actionRecord({ worker }), from, to }
}

test('each worker has as many lanes as it ran actions at once', () => {
  const lanes = lanesOf([ran('b', 0, 5), ran('a', 2, 4), ran('a', 0, 3), ran('a', 3, 6)])
  expect(lanes.map(({ worker, named, drawn }) => [worker, named, drawn.map(({ from, to }) => [from, to])])).toEqual([
    [
      'a',
      true,
      [
        [0, 3],
        [3, 6],
      ],
    ],
    ['a', false, [[2, 4]]],
    ['b', true, [[0, 5]]],
  ])
})

test('a worker that is said to have run thousands of actions at once has a bounded number of lanes, and all of them', () => {
  const lanes = lanesOf(Array.from({ length: 3_000 }, (_, at) => ran('a', at, 10_000)))
  expect(lanes.length).toBe(1_000)
  expect(lanes.flatMap(({ drawn }) => drawn).length).toBe(3_000)
})
