import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../src/cli/dispatch.ts'
import { editDistance, nearest } from '../../src/cli/suggest.ts'
import { readSurface } from '../../src/cli/surface.ts'
import type { Failure } from '../../src/core/failure.ts'
import { root } from '../fixture/program.ts'

const surface = readSurface(root)
const asked = (...argv: string[]) => parseCommandLine(argv, surface)

/** The command and its arguments, or what else is asked for. */
function told(...argv: string[]): unknown {
  const found = asked(...argv)
  if (found.what === 'command') return [found.command.id, ...found.argv]
  if (found.what === 'version') return 'version'
  return `help ${found.command?.id ?? found.topic ?? ''}`.trim()
}

test.each([
  [[], 'help'],
  [['-h'], 'help'],
  [['--help'], 'help'],
  [['help'], 'help'],
  [['help', 'help'], 'help'],
  [['help', 'version'], 'help'],
  [['help', 'up'], 'help up'],
  [['up', '-h'], 'help up'],
  [['up', '--name', 'x', '--help'], 'help up'],
  [['--help', 'up'], 'help up'],
  [['help', 'image'], 'help image'],
  [['image'], 'help image'],
  [['image', '-h'], 'help image'],
  [['help', 'image', 'copy'], 'help image:copy'],
  [['image', 'copy', '-h'], 'help image:copy'],
  [['-v'], 'version'],
  [['--version'], 'version'],
  [['version'], 'version'],
  [['version', '--json'], 'version'],
  [
    ['exec', '--', 'image', '-h', '-v'],
    ['exec', '--', 'image', '-h', '-v'],
  ],
  [
    ['image', 'copy', 'a', '--', 'b'],
    ['image:copy', 'a', '--', 'b'],
  ],
  [
    ['verify', 'x'],
    ['image:verify', 'x'],
  ],
  [
    ['--json', 'status'],
    ['status', '--json'],
  ],
  [
    ['--json', 'exec', '--', 'a'],
    ['exec', '--json', '--', 'a'],
  ],
])('%j asks for %j', (argv, expected) => {
  expect(told(...argv)).toEqual(expected)
})

describe('what is not a command', () => {
  const refusal = (...argv: string[]): Failure => {
    try {
      asked(...argv)
    } catch (error) {
      return error as Failure
    }
    throw new Error(`${argv.join(' ')} was taken`)
  }

  test.each([
    ['stauts', 'native status'],
    ['lgos', 'native logs'],
    ['stat', 'native status'],
    ['Status', 'native status'],
    ['stop', 'native down'],
    ['start', 'native deploy'],
    ['clean', 'native down'],
    ['ps', 'native status'],
    ['du', 'native status'],
    ['gc', 'native status'],
    ['hepl', 'native help'],
    ['imgae', 'native image'],
  ])('%s: was %s meant?', (typed, meant) => {
    expect(refusal(typed)).toMatchObject({ kind: 'invalid', message: `there is no command "${typed}"` })
    expect(refusal(typed).next[0]).toContain(`\`${meant}\``)
  })

  test('in a topic is looked for in that topic', () => {
    for (const [typed, meant] of [
      ['verfy', 'verify'],
      ['push', 'copy'],
      ['list', 'ls'],
    ] as const)
      expect(refusal('image', typed).next).toEqual([
        `Did you mean \`native image ${meant}\`?`,
        '`native image --help` lists the commands.',
      ])
  })

  test('that resembles nothing leads to the list alone', () => {
    expect(refusal('xylophone').next).toEqual(['`native --help` lists the commands.'])
    expect(refusal('help', 'xylophone').next).toEqual(['`native --help` lists the commands.'])
  })

  test('a flag in front says where flags go', () => {
    expect(refusal('--name', 'x', 'status').message).toContain('--name')
  })

  test.each([
    ['--versoin', 'Did you mean `native --version`?'],
    ['--hlep', 'Did you mean `native --help`?'],
    ['--all', 'Write the command first, as in `native status --all`; `native --help` lists them.'],
  ])('a flag in place of a command that is none: %s', (flag, next) => {
    expect(refusal(flag)).toMatchObject({ kind: 'invalid', next: [next] })
  })
})

test('letters are counted as people mistype them', () => {
  expect(editDistance('', 'abc')).toBe(3)
  expect(editDistance('stauts', 'status')).toBe(1)
  expect(editDistance('kitten', 'sitting')).toBe(3)
  expect(nearest('worker', ['worker-base', 'workers', 'slots'])[0]).toBe('workers')
})
