import { beforeEach, describe, expect, test } from 'vitest'
import { createDispatch, type Dispatch, reconnectMs } from '../../src/scheduler/dispatch.ts'
import { offerOf, platformOf } from '../../src/scheduler/match.ts'
import type { Waiting } from '../../src/scheduler/platform-queue.ts'
import type { Taker } from '../../src/scheduler/worker-pools.ts'

interface Job extends Waiting {
  readonly name: string
}
interface Hand extends Taker {
  readonly name: string
}

const workerWaitMs = 60_000
let now: number
let arrivals: number
let given: string[]
let dispatch: Dispatch<Job, Hand>

beforeEach(() => {
  now = 0
  arrivals = 0
  given = []
  dispatch = createDispatch<Job, Hand>({
    now: () => now,
    workerWaitMs,
    assign: (job, hand) => given.push(`${job.name}:${hand.name}`),
  })
  now += reconnectMs
})

function pairs(text: string) {
  return text.split(' ').flatMap((each) => {
    const [name = '', value = ''] = each.split('=')
    return name ? [{ name, value }] : []
  })
}

function job(name: string, properties = '', priority = 0): Job {
  arrivals += 1
  return {
    name,
    platform: platformOf(pairs(properties)),
    unwanted: false,
    priority,
    arrival: arrivals,
    position: -1,
    queuedAt: now,
  }
}

function hand(name: string, properties = '', slots = 1): Hand {
  return { name, offer: offerOf(pairs(properties)), free: slots }
}

function done(worker: Hand): void {
  worker.free += 1
  dispatch.freed(worker)
}

test('a free worker gets an action at once; the rest waits by priority, then arrival', () => {
  const worker = hand('w')
  dispatch.join(worker)
  for (const each of [job('a'), job('b'), job('c', '', -1), job('d')]) dispatch.enqueue(each)
  for (let i = 0; i < 3; i += 1) done(worker)
  expect(given).toEqual(['a:w', 'c:w', 'b:w', 'd:w'])
  expect(dispatch.waiting).toBe(0)
})

test('across platforms too, priority counts first and then arrival', () => {
  const worker = hand('w', 'os=linux isa=x86 pool=big')
  for (const each of [job('a', 'os=linux'), job('b', 'isa=x86'), job('c', 'os=linux'), job('d', 'pool=big', -1)])
    dispatch.enqueue(each)
  dispatch.join(worker)
  for (let i = 0; i < 3; i += 1) done(worker)
  expect(given).toEqual(['d:w', 'a:w', 'b:w', 'c:w'])
})

test('a worker only gets what it offers', () => {
  const worker = hand('w', 'os=linux', 9)
  dispatch.join(worker)
  dispatch.enqueue(job('a', 'os=mac'))
  dispatch.enqueue(job('b', 'os=linux'))
  expect(given).toEqual(['b:w'])
  expect(dispatch.waiting).toBe(1)
})

test('workers take turns, and special ones are spared for what only they can do', () => {
  dispatch.join(hand('gpu', 'os=linux gpu=yes', 2))
  dispatch.join(hand('a', 'os=linux', 2))
  dispatch.join(hand('b', 'os=linux', 2))
  for (const name of ['1', '2', '3', '4', '5']) dispatch.enqueue(job(name, 'os=linux'))
  expect(given).toEqual(['1:a', '2:b', '3:a', '4:b', '5:gpu'])
})

test('an action that was taken out is not given to anyone', () => {
  const gone = job('gone')
  dispatch.enqueue(gone)
  dispatch.enqueue(job('kept'))
  expect(dispatch.remove(gone)).toBe(true)
  expect(dispatch.remove(gone)).toBe(false)
  dispatch.join(hand('w', '', 5))
  expect(given).toEqual(['kept:w'])
})

test('a worker that leaves gets nothing more', () => {
  const worker = hand('w', '', 2)
  dispatch.join(worker)
  dispatch.leave(worker)
  dispatch.enqueue(job('a'))
  done(worker)
  expect(given).toEqual([])
})

describe('rule 26: waits for workers that may come back, refuses what stays impossible', () => {
  test('with no worker at all', () => {
    expect(dispatch.verdict(platformOf(pairs('os=linux'))).kind).toBe('wait')
  })

  test('with others that cannot take it, once all have had a moment to come', () => {
    dispatch.join(hand('w', 'os=mac'))
    expect(dispatch.verdict(platformOf(pairs('os=linux'))).kind).toBe('wait')
    now += reconnectMs
    expect(dispatch.verdict(platformOf(pairs('os=linux'))).kind).toBe('refuse')
    expect(dispatch.verdict(platformOf(pairs('os=mac'))).kind).toBe('queue')
  })

  test('while those that left may come back', () => {
    const worker = hand('w', 'os=linux')
    dispatch.join(worker)
    dispatch.join(hand('other', 'os=mac'))
    dispatch.leave(worker)
    const platform = platformOf(pairs('os=linux'))
    now += workerWaitMs - 1
    expect(dispatch.verdict(platform).kind).toBe('wait')
    now += 1
    expect(dispatch.verdict(platform).kind).toBe('refuse')
  })

  test('shortly after the start, when workers of an earlier run come back', () => {
    const fresh = createDispatch<Job, Hand>({ now: () => now, workerWaitMs, assign: () => undefined })
    fresh.join(hand('w', 'os=mac'))
    expect(fresh.verdict(platformOf(pairs('os=linux'))).kind).toBe('wait')
    fresh.enqueue(job('a', 'os=linux'))
    now += reconnectMs - 1
    expect(fresh.expire()).toEqual([])
    now += 1
    expect(fresh.verdict(platformOf(pairs('os=linux'))).kind).toBe('refuse')
    expect(fresh.expire()[0]?.refusal).toContain('os=linux')
  })
})

describe('those whose workers have left', () => {
  test('wait for so long from then on, and from when they came', () => {
    const worker = hand('w')
    dispatch.join(worker)
    dispatch.enqueue(job('runs'))
    dispatch.enqueue(job('early'))
    now += 30_000
    dispatch.leave(worker)
    now += 30_000
    dispatch.enqueue(job('late'))
    now += 29_999
    expect(dispatch.expire()).toEqual([])
    now += 1
    expect(dispatch.expire().map(({ task }) => task.name)).toEqual(['early'])
    now += 30_000
    expect(dispatch.expire()).toMatchObject([{ task: { name: 'late' }, refusal: undefined }])
    expect(dispatch.waiting).toBe(0)
  })

  test('are taken when a worker comes in time', () => {
    dispatch.enqueue(job('a', 'os=linux'))
    now += workerWaitMs - 1
    dispatch.join(hand('w', 'os=linux'))
    now += workerWaitMs
    expect(dispatch.expire()).toEqual([])
    expect(given).toEqual(['a:w'])
  })
})

test('platforms without waiting actions are forgotten, however many a client makes up', () => {
  dispatch.join(hand('w', 'os=linux', 1))
  for (let i = 0; i < 5_000; i += 1) dispatch.verdict(platformOf([{ name: 'n', value: String(i) }]))
  expect(dispatch.queues().length).toBeLessThanOrEqual(257)
})

test('10,000 waiting actions on 50 platforms are all given out, to a worker that has them all', () => {
  const worker = hand('w', Array.from({ length: 50 }, (_, i) => `p${i}=x`).join(' '))
  for (let i = 0; i < 10_000; i += 1) dispatch.enqueue(job(String(i), `p${i % 50}=x`, i % 7))
  dispatch.join(worker)
  while (dispatch.waiting > 0) done(worker)
  expect(given.length).toBe(10_000)
})
