import { expect, test } from 'vitest'
import { createHistory } from '../../src/scheduler/history.ts'

test('the oldest are forgotten when there are too many, too large or too old ones', () => {
  let now = 0
  const gone: string[] = []
  const history = createHistory<string>(
    { countMax: 3, bytesMax: 100, ageMsMax: 50 },
    () => now,
    (item) => gone.push(item),
  )
  for (const name of ['a', 'b', 'c', 'd']) history.add(name, 10)
  expect(gone).toEqual(['a'])
  history.add('e', 85)
  expect(gone).toEqual(['a', 'b', 'c'])
  history.remove('d')
  now = 49
  history.expire()
  expect(gone).toEqual(['a', 'b', 'c'])
  now = 50
  history.expire()
  expect(gone).toEqual(['a', 'b', 'c', 'e'])
})
