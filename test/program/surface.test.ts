import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Config } from '@oclif/core'
import { expect, test } from 'vitest'
import { createNative, root } from '../fixture/program.ts'

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

test('the manifest has the commands in the order of their names, so that two builds are the same', async () => {
  const { commands } = JSON.parse(await readFile(join(root, 'oclif.manifest.json'), 'utf8')) as { commands: object }
  expect(Object.keys(commands)).toEqual(Object.keys(commands).toSorted())
})

test('every command that is shown says what it is for, with an example', async () => {
  const { commands } = await Config.load({ root })
  const shown = commands.filter(({ hidden }) => !hidden)
  expect(shown.filter(({ summary }) => !summary).map(({ id }) => id)).toEqual([])
  expect(shown.filter(({ examples }) => !examples?.length).map(({ id }) => id)).toEqual([])
})

test('the words that stand for help and version are answered', async () => {
  const native = await createNative([])
  try {
    const helps = await Promise.all([native.ok('-h'), native.ok('--help'), native.ok('help'), native.ok()])
    expect(new Set(helps.map(({ stdout }) => stdout)).size).toBe(1)
    const onUp = await Promise.all([native.ok('help', 'up'), native.ok('up', '-h'), native.ok('up', '--help')])
    expect(new Set(onUp.map(({ stdout }) => stdout)).size).toBe(1)
    const versions = await Promise.all([native.ok('-v'), native.ok('version'), native.ok('--version')])
    for (const { stdout } of versions) expect(stdout).toMatch(/^native\/\d+\.\d+\.\d+ \S+ node-v\S+$/)
    expect(JSON.parse((await native.ok('version', '--json')).stdout)).toHaveProperty('version')
  } finally {
    await native.dispose()
  }
})
