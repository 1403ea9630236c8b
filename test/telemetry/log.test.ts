import { expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { createLog } from '../../src/telemetry/log.ts'

function lines() {
  const list: string[] = []
  return { list, destination: { write: (line: string) => void list.push(line) } }
}

test('JSON lines carry level, time, name, message and fields', () => {
  const { list, destination } = lines()
  const log = createLog({ level: 'info', format: 'json', name: 'cas', destination }).child({ instance: 'main' })
  log.debug('not shown')
  log.info('a blob was written', { size: 5 })
  expect(list).toHaveLength(1)
  expect(JSON.parse(list[0] ?? '')).toMatchObject({
    level: 'info',
    name: 'cas',
    msg: 'a blob was written',
    size: 5,
    instance: 'main',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
  })
})

test('an error is written with its stack and its causes', () => {
  const { list, destination } = lines()
  const error = new Failure('internal', 'outer', { cause: new Error('inner') })
  createLog({ level: 'info', format: 'json', name: 'cas', destination }).error('a handler failed', { error })
  const { error: written } = JSON.parse(list[0] ?? '')
  expect(written).toMatchObject({ message: 'outer', stack: expect.stringContaining('log.test') })
  expect(written.cause).toMatchObject({ message: 'inner' })
})

test('pretty lines are for people', () => {
  const { list, destination } = lines()
  createLog({ level: 'info', format: 'pretty', name: 'cas', destination }).warn('disk is nearly full', { left: 7 })
  const text = list.join('')
  expect(text).toContain('disk is nearly full')
  expect(text).toContain('left: 7')
  expect(text).not.toContain('{"')
})
