import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { commandHelp, flagGroups, rootHelp, topicHelp } from '../../src/cli/help.ts'
import { manualPage } from '../../src/cli/man.ts'
import { readSurface, shownCommands, shownFlags } from '../../src/cli/surface.ts'
import { columnsOf, wrapped } from '../../src/cli/wrap.ts'
import { root } from '../fixture/program.ts'

const surface = readSurface(root)
const terminal = (columns: number) => Object.assign(new PassThrough(), { columns }) as unknown as NodeJS.WriteStream
const longest = (text: string) => Math.max(...text.split('\n').map((line) => stripVTControlCharacters(line).length))

test('the program lists each command and topic once', () => {
  const lines = rootHelp(surface, terminal(100)).split('\nCommands\n')[1]?.split('\n') ?? []
  const names = lines.flatMap((line) => /^ {2}(\S+)/.exec(line)?.[1] ?? [])
  expect(new Set(names).size).toBe(names.length)
  expect(names).toContain('image')
  expect(names).not.toContain('verify')
  expect(names.join(' ')).not.toContain('supervisor')
})

describe.each(shownCommands(surface).map((command) => ({ id: command.id, command })))('help on $id', ({ command }) => {
  const text = commandHelp(surface, command, terminal(80))

  test('has every flag once, a usage line without empty brackets, and its description once', () => {
    for (const { name } of shownFlags(command))
      expect(text.match(new RegExp(`--(\\[no-\\])?${name}(?![\\w-])`))).not.toBeNull()
    expect(text).not.toMatch(/\[\s*\]|\| \]/)
    const [first = ''] = (command.description ?? '').split('\n')
    if (first !== '') expect(text.replaceAll(/\s+/g, ' ').split(first.replaceAll(/\s+/g, ' ')).length).toBe(2)
  })

  test('fits 80 columns, and 40 as far as words do', () => {
    // A flag with its values, an example and a usage line are for copying: they are not broken.
    const fitting = (columns: number) =>
      commandHelp(surface, command, terminal(columns))
        .split('\n')
        .filter((line) => !/^ {2}/.test(line) || /^ {6,}(?!-)/.test(line))
        .join('\n')
    expect(longest(fitting(80))).toBeLessThanOrEqual(80)
    expect(longest(fitting(40))).toBeLessThanOrEqual(46)
  })

  test("kind's flags and those of every command come last", () => {
    const groups = flagGroups(command).map(([group]) => group)
    expect(groups.at(-1)).toBe('GLOBAL')
    if (groups.includes('KIND')) expect(groups.at(-2)).toBe('KIND')
  })
})

test('a topic lists its commands', () => {
  expect(topicHelp(surface, 'image', terminal(80))).toContain('image verify')
})

test('the manual page has every command and flag', () => {
  const page = manualPage(surface).replaceAll('\\-', '-')
  for (const command of shownCommands(surface)) {
    expect(page).toContain(`.SS native ${command.id.replaceAll(':', ' ')}\n`)
    for (const { name, helpGroup } of shownFlags(command))
      if (helpGroup !== 'GLOBAL') expect(page).toMatch(new RegExp(`--(\\[no-\\])?${name}\\b`))
  }
})

test('a terminal that does not say its width has 80 columns', () => {
  expect(columnsOf({ columns: 0 })).toBe(80)
  expect(columnsOf({})).toBe(80)
  expect(columnsOf({ columns: 40 })).toBe(40)
  expect(columnsOf({ columns: 1 })).toBe(20)
})

test('text is broken at blanks; code that is set in stays as it is', () => {
  expect(wrapped('one two three', 8)).toBe('one two\nthree')
  expect(wrapped('one two three', 10, '   ')).toBe('one two\n   three')
  expect(wrapped('"two  blanks"', 80)).toBe('"two  blanks"')
  expect(wrapped('unbreakable-word a', 5)).toBe('unbreakable-word\na')
  expect(wrapped('text:\n  code that is longer', 8)).toBe('text:\n  code that is longer')
})
