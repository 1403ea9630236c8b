import { expect, test } from 'vitest'
import { countText } from '../../src/core/count-text.ts'

test.each([
  [0, 'slot', undefined, '0 slots'],
  [1, 'slot', undefined, '1 slot'],
  [2014, 'slot', undefined, '2,014 slots'],
  [1, 'process was', 'processes were', '1 process was'],
  [3, 'process was', 'processes were', '3 processes were'],
])('%i of "%s"', (count, one, several, text) => {
  expect(countText(count, one, several)).toBe(text)
})
