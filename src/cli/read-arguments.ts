import { Failure } from '../core/failure.ts'
import type { CommandRules, FlagRules } from './command-rules.ts'
import { didYouMean } from './dispatch.ts'
import { nearest } from './suggest.ts'

/** Values that a boolean flag may be given. */
const truths: Readonly<Record<string, boolean>> = { true: true, false: false }

/** What has been read of a command line so far. */
export interface Reading {
  readonly rules: CommandRules
  readonly rest: string[]
  /** For oclif; a boolean flag is named, since its last occurrence counts. */
  out: { readonly words: readonly string[]; readonly boolean?: string }[]
  readonly given: Map<string, string[]>
  readonly positional: string[]
}

/**
 * Reads the arguments before `--`, flag by flag.
 * @throws Failure 'invalid' for a flag that is unknown, lacks its value or is repeated
 */
export function readArguments(own: readonly string[], rules: CommandRules): Reading {
  const reading: Reading = { rules, rest: [...own], out: [], given: new Map(), positional: [] }
  while (reading.rest.length > 0) readNext(reading)
  return reading
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

function charFlag({ rules }: Reading, char: string | undefined): string | undefined {
  return Object.entries(rules.flags).find(([, flag]) => flag.char !== undefined && flag.char === char)?.[0]
}

/** Would this be read as a flag of the command? */
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

/** How many other commands are listed for a flag that they have. */
const othersMax = 3

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

function alternatives(options: readonly string[]): string {
  return options.length < 2 ? options.join('') : `${options.slice(0, -1).join(', ')} or ${options.at(-1)}`
}

/** @param where the flag or variable that is wrong; by default the command */
export function mistake({ rules }: Reading, message: string, next: readonly string[] = [], where?: string): Failure {
  return new Failure('invalid', message, {
    where: where ?? rules.spoken,
    next: [...next, `See \`${rules.spoken} --help\`.`],
  })
}
