import { Flags } from '@oclif/core'
import { Failure } from '../core/failure.ts'
import { didYouMean } from './dispatch.ts'
import { nearest } from './suggest.ts'

/** What the command line of a command may look like: the part of oclif's definitions that is looked at here. */
export interface FlagRules {
  readonly type: 'boolean' | 'option'
  readonly char?: string | undefined
  readonly options?: readonly string[] | undefined
  readonly multiple?: boolean | undefined
  readonly required?: boolean | undefined
  readonly allowNo?: boolean | undefined
  readonly env?: string | undefined
  readonly exclusive?: readonly string[] | undefined
  readonly dependsOn?: readonly string[] | undefined
  readonly min?: number | undefined
  readonly max?: number | undefined
  readonly parse?: unknown
}

export interface CommandRules {
  /** As people write it: `native image copy`. */
  readonly spoken: string
  readonly flags: Readonly<Record<string, FlagRules>>
  readonly args: Readonly<Record<string, ArgumentRules>>
  /** May there be more arguments than have names? */
  readonly open: boolean
  /** Has it words behind `--` that are not arguments? */
  readonly takesWords: boolean
  /** Other commands that have a flag of this name, as people write them. */
  readonly others?: (flag: string) => readonly string[]
}

interface ArgumentRules {
  readonly description?: string | undefined
  readonly required?: boolean | undefined
  readonly options?: readonly string[] | undefined
}

/** Whole numbers are told by the parser that they are given to. */
const wholeNumber: unknown = Flags.integer().parse
/** What a flag without a value may be given. */
const truths: Readonly<Record<string, boolean>> = { true: true, false: false }

/**
 * Looks through a command's own arguments before oclif does, so that every mistake is told in one voice, with the flag
 * that was perhaps meant and the command's help; and brings them into the form that oclif takes (`--flag=true`).
 * @param own what stands before `--`
 * @param words how many stand behind it
 * @throws Failure 'invalid'
 */
export function checkedArguments(
  own: readonly string[],
  words: readonly string[] | undefined,
  rules: CommandRules,
  env: NodeJS.ProcessEnv,
): string[] {
  const reading = createReading(own, rules)
  while (reading.rest.length > 0) readNext(reading)
  assertValues(reading, env)
  assertTogether(reading)
  assertArguments(reading, words)
  return reading.out.flatMap(({ words: each }) => each)
}

interface Reading {
  readonly rules: CommandRules
  readonly rest: string[]
  /** For oclif; a boolean flag is named, since its last one counts. */
  out: { readonly words: readonly string[]; readonly boolean?: string }[]
  readonly given: Map<string, string[]>
  readonly positional: string[]
}

function createReading(own: readonly string[], rules: CommandRules): Reading {
  return { rules, rest: [...own], out: [], given: new Map(), positional: [] }
}

function readNext(reading: Reading): void {
  const token = reading.rest.shift() ?? ''
  const isNumber = /^-\d/.test(token)
  if (!token.startsWith('-') || token === '-' || (isNumber && !charFlag(reading, token[1]))) {
    reading.positional.push(token)
    reading.out.push({ words: [token] })
  } else if (token.startsWith('--')) readLong(reading, token)
  else readShort(reading, token)
}

function readLong(reading: Reading, token: string): void {
  const at = token.indexOf('=')
  const written = at === -1 ? token.slice(2) : token.slice(2, at)
  const value = at === -1 ? undefined : token.slice(at + 1)
  const flag = reading.rules.flags[written]
  const negated = written.startsWith('no-') ? reading.rules.flags[written.slice(3)] : undefined
  if (flag) take(reading, written, flag, value)
  else if (negated?.allowNo && value === undefined) takeBoolean(reading, written.slice(3), negated, 'false')
  else throw unknownFlag(reading, `--${written}`)
}

/** `-f`, `-n 5`, `-n5`, `-n=5`, `-fn5`. */
function readShort(reading: Reading, token: string): void {
  const name = charFlag(reading, token[1])
  const flag = name === undefined ? undefined : reading.rules.flags[name]
  if (name === undefined || !flag) throw unknownFlag(reading, token.slice(0, 2))
  const behind = token.slice(2)
  const attached = flag.type === 'option' || behind.startsWith('=')
  take(reading, name, flag, attached && behind !== '' ? behind.replace(/^=/, '') : undefined)
  if (!attached && behind !== '') reading.rest.unshift(`-${behind}`)
}

function take(reading: Reading, name: string, flag: FlagRules, attached: string | undefined): void {
  if (flag.type === 'boolean') takeBoolean(reading, name, flag, attached)
  else takeOption(reading, name, flag, attached)
}

function takeOption(reading: Reading, name: string, flag: FlagRules, attached: string | undefined): void {
  const value = attached ?? reading.rest.shift()
  if (value === undefined || isFlag(reading, value))
    throw mistake(reading, `--${name} needs a value${flag.options ? `: ${alternatives(flag.options)}` : ''}`)
  const before = reading.given.get(name)
  if (before && !flag.multiple) throw mistake(reading, `--${name} is given twice`)
  reading.given.set(name, [...(before ?? []), value])
  reading.out.push({ words: [`--${name}`, value] })
}

function takeBoolean(reading: Reading, name: string, flag: FlagRules, attached: string | undefined): void {
  const truth = attached === undefined ? true : truths[attached.toLowerCase()]
  if (truth === undefined)
    throw mistake(reading, `--${name}=${attached} is neither true nor false`, [
      `Write --${name} alone, or --${name}=true or --${name}=false.`,
    ])
  reading.out = reading.out.filter((each) => each.boolean !== name)
  if (truth || flag.allowNo) {
    reading.given.set(name, [String(truth)])
    reading.out.push({ boolean: name, words: [truth ? `--${name}` : `--no-${name}`] })
  } else reading.given.delete(name)
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

function charFlag({ rules }: Reading, char: string | undefined): string | undefined {
  return Object.entries(rules.flags).find(([, flag]) => flag.char !== undefined && flag.char === char)?.[0]
}

/** Would this be taken for a flag of the command? */
function isFlag(reading: Reading, text: string): boolean {
  if (text.startsWith('--')) {
    const negated = text.startsWith('--no-') ? reading.rules.flags[text.slice(5)] : undefined
    return (
      Object.hasOwn(reading.rules.flags, text.slice(2)) || (negated?.type === 'boolean' && negated.allowNo === true)
    )
  }
  return text.startsWith('-') && charFlag(reading, text[1]) !== undefined
}

function unknownFlag(reading: Reading, written: string): Failure {
  const known = Object.keys(reading.rules.flags)
  const meant = written.startsWith('--') ? nearest(written.slice(2), known).map((each) => `--${each}`) : []
  const others = meant.length === 0 ? (reading.rules.others?.(written.slice(2)) ?? []) : []
  const elsewhere = others.slice(0, othersMax).map((each) => `\`${each}\``)
  const command = reading.rules.takesWords ? ['Write the command to run, with its own flags, after --.'] : []
  return mistake(reading, `there is no flag ${written}`, [
    ...didYouMean(meant),
    ...(elsewhere.length > 0 ? [`It is a flag of ${listed(elsewhere)}.`] : []),
    ...command,
  ])
}

function mistake({ rules }: Reading, message: string, next: readonly string[] = [], where?: string): Failure {
  return new Failure('invalid', message, {
    where: where ?? rules.spoken,
    next: [...next, `See \`${rules.spoken} --help\`.`],
  })
}

/** Commands that are named beside a flag which is theirs. */
const othersMax = 3

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

function alternatives(options: readonly string[]): string {
  return options.length < 2 ? options.join('') : `${options.slice(0, -1).join(', ')} or ${options.at(-1)}`
}
