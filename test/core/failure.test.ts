import { expect, test } from 'vitest'
import { Failure, withoutStack } from '../../src/core/failure.ts'

test('an error without a stack says all else, and the next one has a stack again', () => {
  const cheap = withoutStack(() => new Failure('not-found', 'there is none', { where: 'here' }))
  expect(cheap).toMatchObject({ kind: 'not-found', message: 'there is none', where: 'here' })
  expect(cheap.stack).not.toContain('failure.test')
  const thrown = () =>
    withoutStack((): Error => {
      throw new Failure('internal', 'a bug')
    })
  expect(thrown).toThrow('a bug')
  expect(new Failure('internal', 'a bug').stack).toContain('failure.test')
})
