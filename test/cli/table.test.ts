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
