import { Args, Command, Config, Flags } from '@oclif/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkedArguments } from '../../src/cli/arguments.ts'
import type { CommandRules } from '../../src/cli/command-rules.ts'
import { Failure } from '../../src/core/failure.ts'
import { root } from '../fixture/program.ts'

const config = await Config.load({ root })
const flags = {
  json: Flags.boolean(),
  follow: Flags.boolean({ char: 'f' }),
  publish: Flags.boolean({ allowNo: true }),
  lines: Flags.integer({ char: 'n', min: 0, max: 100 }),
  driver: Flags.option({ options: ['process', 'kind'] as const, env: 'TEST_NATIVE_DRIVER' })(),
  env: Flags.string({ multiple: true, multipleNonGreedy: true }),
  input: Flags.string({ exclusive: ['json'] }),
  base: Flags.string({ dependsOn: ['input'] }),
}
const args = { first: Args.string({ ignoreStdin: true }), second: Args.string({ ignoreStdin: true }) }
const rules: CommandRules = { spoken: 'native test', flags, args, open: false, takesWords: false }
const check = (argv: string[], over: Partial<CommandRules> = {}, env = {}) =>
  checkedArguments(argv, undefined, { ...rules, ...over }, env)

/** What oclif makes of arguments. */
async function parsed(argv: string[]): Promise<{ flags: unknown; args: unknown }> {
  class Probe extends Command {
    static override flags = flags
    static override args = args
    seen: { flags: unknown; args: unknown } | undefined
    async run(): Promise<{ flags: unknown; args: unknown }> {
      const result = await this.parse(Probe)
      return { flags: { ...result.flags }, args: { ...result.args } }
    }
  }
  return Probe.run(argv, config)
}

test('a flag that other commands have is told with theirs, unless one of its own is meant', () => {
  const others = (flag: string) => (flag === 'workers' ? ['native deploy', 'native up'] : ['native nobody'])
  const nextOf = (argv: string[]) => {
    try {
      return check(argv, { others })
    } catch (error) {
      return (error as Failure).next
    }
  }
  expect(nextOf(['--workers', '2'])).toEqual([
    'It is a flag of `native deploy` and `native up`.',
    'See `native test --help`.',
  ])
  expect(nextOf(['--line', '2'])).toEqual(['Did you mean --lines?', 'See `native test --help`.'])
})

describe('are told in one voice', () => {
  test.each([
    [['--nonsense'], 'there is no flag --nonsense'],
    [['--line', '3'], 'there is no flag --line'],
    [['-x'], 'there is no flag -x'],
    [['--no-follow'], 'there is no flag --no-follow'],
    [['--lines'], '--lines needs a value'],
    [['--lines', '--json'], '--lines needs a value'],
    [['--driver'], '--driver needs a value: process or kind'],
    [['--lines', 'many'], '"many" is not a whole number'],
    [['--lines=3.5'], '"3.5" is not a whole number'],
    [['--lines', '-1'], '-1 is too small: it must be from 0 to 100'],
    [['-n101'], '101 is too large: it must be from 0 to 100'],
    [['--driver', 'kin'], '"kin" is not one of process, kind'],
    [['--lines=1', '--lines=2'], '--lines is given twice'],
    [['--json=maybe'], '--json=maybe is neither true nor false'],
    [['--json', '--input', 'a'], '--input and --json cannot be combined'],
    [['--base', 'a'], '--base needs --input'],
    [['a', 'b', 'c'], '"c" is one argument too many'],
  ])('%j: %s', (argv, message) => {
    expect(() => check(argv)).toThrow(message)
    try {
      check(argv)
    } catch (error) {
      expect(error).toMatchObject({ kind: 'invalid' })
      expect((error as Failure).next.at(-1)).toBe('See `native test --help`.')
    }
  })

  test('with the flag or the value that was perhaps meant', () => {
    const nextOf = (argv: string[]) => {
      try {
        check(argv)
      } catch (error) {
        return (error as Failure).next[0]
      }
      return undefined
    }
    expect(nextOf(['--line', '3'])).toBe('Did you mean --lines?')
    expect(nextOf(['--driver', 'kin'])).toBe('Did you mean kind?')
  })

  test('with the name of the variable where the value comes from one', () => {
    expect(() => check([], {}, { TEST_NATIVE_DRIVER: 'docker' })).toThrow(
      expect.objectContaining({ where: 'TEST_NATIVE_DRIVER' }),
    )
    expect(check(['--driver', 'kind'], {}, { TEST_NATIVE_DRIVER: 'docker' })).toEqual(['--driver', 'kind'])
  })

  test('with the argument that is missing, and those that are too many', () => {
    const one = { folder: Args.string({ required: true, description: 'a folder' }) }
    expect(() => check([], { args: one })).toThrow('FOLDER is missing: a folder')
    expect(() => check(['x'], { args: {} })).toThrow('the command takes no arguments, but "x" was given')
    expect(check(['x', 'y', 'z'], { open: true })).toEqual(['x', 'y', 'z'])
  })
})

test.each([
  [['--json=true'], { json: true }],
  [['--json=false'], { json: undefined }],
  [['--json', '--json=false'], { json: undefined }],
  [['--json=false', '--json'], { json: true }],
  [['--publish=false'], { publish: false }],
  [['--no-publish'], { publish: false }],
  [['--publish=TRUE'], { publish: true }],
  [['-f=true'], { follow: true }],
  [['-fn5'], { follow: true, lines: 5 }],
  [['-n=5'], { lines: 5 }],
])('%j gives %j', async (argv, expected) => {
  const { flags: found } = await parsed(check(argv))
  expect({ json: undefined, ...(found as object) }).toMatchObject(expected)
})

test('what is let through oclif takes: no mistake is told in its words', async () => {
  const token = fc.constantFrom(
    ...[
      '--json',
      '--json=true',
      '--no-json',
      '-f',
      '-fn',
      '-n',
      '-n5',
      '-fn5',
      '--lines',
      '--lines=7',
      '5',
      '-1',
      '-5',
    ],
    ...['--driver', 'kind', '--driver=process', '--env', '--env=A=b', '--env=', 'A=b', '--input', '--base', '--base=x'],
    ...['--publish', '--no-publish', '--publish=false', '-', '', '-x', '--x', 'word', '=', '--='],
  )
  await fc.assert(
    fc.asyncProperty(fc.array(token, { maxLength: 6 }), async (argv) => {
      let checked: string[]
      try {
        checked = check(argv)
      } catch (error) {
        expect(error).toBeInstanceOf(Failure)
        return
      }
      await expect(parsed(checked)).resolves.toBeDefined()
    }),
    { numRuns: 500 },
  )
})
