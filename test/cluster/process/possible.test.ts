import { expect, test } from 'vitest'
import { assertPossible } from '../../../src/cluster/process/possible.ts'

test('what no machine can run is refused where it was written', () => {
  const tooMany = { workers: 256, slots: 1000 }
  expect(() => assertPossible(tooMany)).toThrow(expect.objectContaining({ kind: 'invalid', where: '--slots' }))
  expect(() => assertPossible(tooMany, 'deployment.yaml')).toThrow(
    expect.objectContaining({ where: 'deployment.yaml' }),
  )
  expect(() => assertPossible({ cache_size: 10 })).toThrow(expect.objectContaining({ where: '--cache-size' }))
  expect(() => assertPossible({ workers: 4, slots: 8, cache_size: 64 * 1024 * 1024 })).not.toThrow()
})
