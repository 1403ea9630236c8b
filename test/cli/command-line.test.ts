import { Config } from '@oclif/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import Exec from '../../commands/exec.ts'
import Logs from '../../commands/logs.ts'
import { joinCommandLine, splitCommandLine } from '../../src/cli/command-line.ts'
import { root } from '../fixture/program.ts'

const config = await Config.load({ root })

/** What exec makes of its arguments. */
async function execParsed(argv: string[]): Promise<Parsed> {
  let seen: Parsed | undefined
  class Probe extends Exec {
    override async run(): Promise<void> {
      const { flags, argv: words } = await this.parse(Exec)
      seen = { flags, words }
    }
  }
  await Probe.run(argv, config)
  if (!seen) throw new Error('the command did not parse')
  return seen
}

/** What logs, which runs no other program, makes of its arguments. */
async function logsParsed(argv: string[]): Promise<readonly unknown[]> {
  let seen: readonly unknown[] = []
  class Probe extends Logs {
    override async run(): Promise<void> {
      seen = (await this.parse(Logs)).argv
    }
  }
  await Probe.run(argv, config)
  return seen
}

interface Parsed {
  readonly flags: Readonly<Record<string, unknown>>
  readonly words: readonly unknown[]
}

const word = fc.oneof(
  fc.constantFrom(
    '',
    '-',
    '--',
    '-x',
    '-n',
    '--output',
    '--output=a',
    '--json',
    '--help',
    '-h',
    'a',
    'b',
    'exec',
    '5s',
    '-1',
  ),
  fc.string(),
)
const flags = fc.array(
  fc.constantFrom(
    ['--output', 'a'],
    ['--output=b'],
    ['--timeout', '5s'],
    ['--env', 'A=b'],
    ['--fresh'],
    ['--json'],
    ['--input', 'a'],
  ),
  { maxLength: 4 },
)

test('exec runs exactly the words behind the first --, whatever they are and whatever flags were given', async () => {
  await fc.assert(
    fc.asyncProperty(flags, fc.array(word, { minLength: 1, maxLength: 8 }), async (given, words) => {
      // A flag that may be given once is given once.
      const once = [...new Map(given.map((each) => [each.join(' '), each])).values()]
      const own = once.flat()
      const alone = await execParsed([...own, '--', 'a'])
      const both = await execParsed([...own, '--', ...words])
      expect(both.words).toEqual(words)
      expect(both.flags).toEqual(alone.flags)
    }),
  )
})

test('without -- the words are those that are not flags, in the order in which they were given', async () => {
  expect((await execParsed(['echo', 'b', '--output', 'b', 'a', 'b'])).words).toEqual(['echo', 'b', 'a', 'b'])
  expect(await logsParsed(['b', '-n', '3', 'a', 'b'])).toEqual(['b', 'a', 'b'])
})

test('of other commands the words behind -- are arguments, and never flags', async () => {
  expect(await logsParsed(['cas', '--', '-f', '--lines'])).toEqual(['cas', '-f', '--lines'])
})

test('a word before the -- is refused: it would be run or not run, and nobody could tell', async () => {
  await expect(execParsed(['echo', '--', 'a'])).rejects.toMatchObject({ kind: 'invalid' })
})

test('a command line is put together as it was', () => {
  fc.assert(
    fc.property(fc.array(word), (argv) => {
      expect(joinCommandLine(splitCommandLine(argv))).toEqual(argv)
    }),
  )
})
