import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inOrder } from '../../../src/cluster/shared/log-order.ts'
import { writtenAt } from '../../../src/core/log-line.ts'

const at = (second: number) => `{"level":"info","time":"2026-11-24T00:00:0${second}.000Z","msg":"${second}"}`

test('lines of several servers stand in the order of their times, and a stack behind its line', () => {
  const logs = [
    { server: 'cas', lines: [at(1), '  at somewhere', at(4)] },
    { server: 'worker-1', lines: ['{"torn', at(2), at(4)] },
    { server: 'supervisor', lines: ['(not started yet: ContainerCreating)'] },
  ]
  expect(inOrder(logs).map(({ server, text }) => `${server} ${text}`)).toEqual([
    `cas ${at(1)}`,
    'cas   at somewhere',
    `worker-1 ${at(2)}`,
    `cas ${at(4)}`,
    `worker-1 ${at(4)}`,
    'worker-1 {"torn',
    'supervisor (not started yet: ContainerCreating)',
  ])
})

test('of a server whose clock was set back, no line passes another', () => {
  const seconds = fc.array(fc.nat(9), { maxLength: 20 })
  fc.assert(
    fc.property(seconds, seconds, (one, other) => {
      const logs = [one, other].map((each, index) => ({ server: String(index), lines: each.toSorted().map(at) }))
      const times = inOrder(logs).map(({ text }) => writtenAt(text) ?? Number.NaN)
      expect(times).toEqual([...one, ...other].toSorted().map((second) => writtenAt(at(second))))
    }),
  )
})

test('what was written before a time is left out, with the stacks that belong to it', () => {
  const logs = [{ server: 'cas', lines: [at(1), '  at before', at(2), '  at after'] }]
  expect(inOrder(logs, writtenAt(at(2))).map(({ text }) => text)).toEqual([at(2), '  at after'])
})

test('only a JSON object that says when is timed', () => {
  for (const text of ['', '{', '{}', '[1]', 'null', '{"time":"soon"}', '{"time":{}}'])
    expect(writtenAt(text)).toBeUndefined()
  expect(writtenAt('{"time":1795939044816}')).toBe(1795939044816)
})
