import { Flags } from '@oclif/core'
import type { CommandRules, FlagRules } from './command-rules.ts'
import { didYouMean } from './dispatch.ts'
import { mistake, type Reading, readArguments } from './read-arguments.ts'
import { nearest } from './suggest.ts'

/** Integer flags are recognised by their parser. */
const wholeNumber: unknown = Flags.integer().parse

/**
 * Checks a command's own arguments before oclif does, so that every mistake is reported in one voice, with the flag
 * that was probably meant and the command's help; and converts them to the form that oclif takes (`--flag=true`).
 * @param own the arguments before `--`
 * @param words those after it, if there is a `--`
 * @throws Failure 'invalid'
 */
export function checkedArguments(
  own: readonly string[],
  words: readonly string[] | undefined,
  rules: CommandRules,
  env: NodeJS.ProcessEnv,
): string[] {
  const reading = readArguments(own, rules)
  assertValues(reading, env)
  assertTogether(reading)
  assertArguments(reading, words)
  return reading.out.flatMap(({ words: each }) => each)
}

function assertValues(reading: Reading, env: NodeJS.ProcessEnv): void {
  for (const [name, flag] of Object.entries(reading.rules.flags)) {
    const given = reading.given.get(name)
    const fromEnv = flag.env === undefined ? undefined : env[flag.env]
    const values = given ?? (fromEnv ? [fromEnv] : [])
    const where = given ? `--${name}` : (flag.env ?? `--${name}`)
    if (flag.type === 'option') for (const value of values) assertValue(reading, flag, value, where)
    if (flag.required && values.length === 0) throw mistake(reading, `--${name} is missing`)
  }
}

function assertValue(reading: Reading, flag: FlagRules, value: string, where: string): void {
  if (flag.options && !flag.options.includes(value))
    throw mistake(
      reading,
      `"${value}" is not one of ${flag.options.join(', ')}`,
      didYouMean(nearest(value, flag.options)),
      where,
    )
  if (flag.parse !== wholeNumber) return
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = flag
  if (!/^-?\d+$/.test(value)) throw mistake(reading, `"${value}" is not a whole number`, [], where)
  if (Number(value) < min || Number(value) > max)
    throw mistake(
      reading,
      `${value} is too ${Number(value) < min ? 'small' : 'large'}: it must be from ${min} to ${max}`,
      [],
      where,
    )
}

function assertTogether(reading: Reading): void {
  for (const name of reading.given.keys()) {
    const { exclusive = [], dependsOn = [] } = reading.rules.flags[name] ?? {}
    const other = exclusive.find((each) => reading.given.has(each))
    if (other !== undefined) throw mistake(reading, `--${name} and --${other} cannot be combined`)
    const lacking = dependsOn.find((each) => !reading.given.has(each))
    if (lacking !== undefined) throw mistake(reading, `--${name} needs --${lacking}`)
  }
}

function assertArguments(reading: Reading, words: readonly string[] | undefined): void {
  const { args, open, takesWords } = reading.rules
  if (takesWords && reading.positional.length === 0 && !words?.length)
    throw mistake(reading, 'there is no command to run', [
      `Write it after --, as in \`${reading.rules.spoken} -- echo hello\`.`,
    ])
  const given = takesWords ? reading.positional : [...reading.positional, ...(words ?? [])]
  const named = Object.entries(args)
  const lacking = named.find(([, { required }], at) => required && at >= given.length)
  if (lacking) {
    const [name, { description }] = lacking
    throw mistake(reading, `${name.toUpperCase()} is missing${description ? `: ${description}` : ''}`)
  }
  for (const [at, [, { options }]] of named.entries()) {
    const value = given[at]
    if (options && value !== undefined && !options.includes(value))
      throw mistake(reading, `"${value}" is not one of ${options.join(', ')}`, didYouMean(nearest(value, options)))
  }
  if (!open && given.length > named.length)
    throw mistake(
      reading,
      named.length === 0
        ? `the command takes no arguments, but "${given[0]}" was given`
        : `"${given[named.length]}" is one argument too many`,
    )
}
