import { styleText } from 'node:util'
import { expect, test } from 'vitest'
import { table } from '../../src/cli/table.ts'

test('columns are as wide as they must be; colours take no room', () => {
  const green = styleText('green', 'ready', { validateStream: false })
  expect(
    table(
      ['A', 'STATE', 'C'],
      [
        ['long name', green, 'x'],
        ['b', 'crashed', ''],
      ],
    ),
  ).toBe(['A          STATE    C', `long name  ${green}    x`, 'b          crashed'].join('\n'))
})

test('what is wider than the terminal is told row by row', () => {
  const rows = [
    ['cas', 'ready', '127.0.0.1:50051'],
    ['worker-1', 'ready', '-'],
  ]
  expect(table(['SERVER', 'STATE', 'ADDRESS'], rows, 30)).toBe(
    ['cas', '  state    ready', '  address  127.0.0.1:50051', 'worker-1', '  state    ready'].join('\n'),
  )
})

test('where the terminal is too narrow, columns that say nothing go first', () => {
  const rows = [
    ['cas', '-', '127.0.0.1:50051'],
    ['worker-1', '-', '-'],
  ]
  expect(table(['SERVER', 'STATE', 'ADDRESS'], rows, 26)).toBe(
    ['SERVER    ADDRESS', 'cas       127.0.0.1:50051', 'worker-1  -'].join('\n'),
  )
  expect(table(['SERVER', 'STATE', 'ADDRESS'], rows, 40)).toContain('STATE')
})
