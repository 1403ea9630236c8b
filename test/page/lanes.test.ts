import { expect, test } from 'vitest'
import type { ActionRecord } from '../../src/core/build-history.ts'
import { lanesOf } from '../../src/page/lanes.ts'

function ran(worker: string, from: number, to: number) {
  const action: ActionRecord = {
    row: 1,
    build: 'b',
    instance: '',
    digest: { fn: 'sha256', hash: 'a'.repeat(64), size: 1 },
    target: '',
    mnemonic: '',
    configuration: '',
    firstOutput: '',
    outcome: 'executed',
    firstSeen: 0,
    lastSeen: 0,
    skipCacheLookup: false,
    doNotCache: false,
    merged: false,
    exitCode: 0,
    status: 0,
    message: '',
    worker,
    attempts: 1,
    times: {},
  }
  return { action, from, to }
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
