import { Config } from '@oclif/core'
import { expect, test } from 'vitest'
import { root } from '../fixture/program.ts'

/** Each command with its arguments and flags, one a line, as the manifest has them. */
async function surface(): Promise<string> {
  const { commands } = await Config.load({ root })
  const sorted = commands.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  return sorted
    .flatMap((command) => [
      `${command.id.replaceAll(':', ' ')}${command.hidden ? ' (hidden)' : ''}`,
      ...Object.values(command.args).map((arg) => `  ${arg.name}${arg.required ? ' (required)' : ''}`),
      ...Object.values(command.flags)
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map((flag) => `  ${flagText(flag)}`),
    ])
    .join('\n')
}

function flagText(flag: Config['commands'][number]['flags'][string]): string {
  const option = flag.type === 'option'
  return [
    `--${flag.name}`,
    flag.char && `-${flag.char}`,
    option && (flag.options ? `<${flag.options.join('|')}>` : '<value>'),
    option && flag.multiple && 'repeatable',
    flag.required && 'required',
    option && flag.env && `env ${flag.env}`,
    option && typeof flag.default !== 'object' && flag.default !== undefined && `default ${flag.default}`,
    flag.hidden && 'hidden',
  ]
    .filter(Boolean)
    .join(' ')
}

test('the commands and their flags are those that were reviewed', async () => {
  await expect(await surface()).toMatchFileSnapshot('surface.snap.txt')
})

test('every command that is shown says what it is for, with an example', async () => {
  const { commands } = await Config.load({ root })
  const shown = commands.filter(({ hidden }) => !hidden)
  expect(shown.filter(({ summary }) => !summary).map(({ id }) => id)).toEqual([])
  expect(shown.filter(({ examples }) => !examples?.length).map(({ id }) => id)).toEqual([])
})
