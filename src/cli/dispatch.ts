import { Failure } from '../core/failure.ts'
import { joinCommandLine, splitCommandLine } from './command-line.ts'
import { nearest, nearestCommands, nearestInTopic } from './suggest.ts'
import { type CommandFacts, type Surface, spokenName } from './surface.ts'

/** What a command line requests. */
export type ParsedCommandLine =
  | { readonly what: 'version' }
  /** Help on the program, on a topic like `image`, or on a command. */
  | { readonly what: 'help'; readonly topic: string | undefined; readonly command: CommandFacts | undefined }
  | { readonly what: 'command'; readonly command: CommandFacts; readonly argv: string[] }

/** Flags that are also allowed before the command's name. */
const everywhere: ReadonlySet<string> = new Set(['--json', '--debug'])
const helpFlags: ReadonlySet<string> = new Set(['-h', '--help'])
const versionFlags: ReadonlySet<string> = new Set(['-v', '-V', '--version'])

/**
 * Parses a command line. A command's name is the longest match of the first arguments; words after `--` are not part of
 * it, and are not searched for flags.
 * @throws Failure 'invalid' for an unknown command, with those that were probably meant
 */
export function parseCommandLine(argv: readonly string[], surface: Surface): ParsedCommandLine {
  const { own, words } = splitCommandLine(argv)
  const behind = own.findIndex((each) => !everywhere.has(each))
  const front = behind === -1 ? [...own] : own.slice(0, behind)
  const rest = own.slice(front.length)
  const [first = ''] = rest
  if (versionFlags.has(first) || (first === 'version' && rest.every((each) => !helpFlags.has(each))))
    return { what: 'version' }
  if (rest.length === 0 && words === undefined) return { what: 'help', topic: undefined, command: undefined }
  if (first === 'help' || rest.some((each) => helpFlags.has(each)))
    return helpOn(
      rest.slice(first === 'help' ? 1 : 0).filter((each) => !each.startsWith('-')),
      surface,
    )
  if (first.startsWith('-')) throw noFlag(first, surface)
  const found = longestName(rest, surface)
  if (found) {
    const argvOwn = [...rest.slice(found.length), ...front]
    return { what: 'command', command: found.command, argv: joinCommandLine({ own: argvOwn, words }) }
  }
  return helpOn(rest, surface)
}

function helpOn(names: readonly string[], surface: Surface): ParsedCommandLine {
  const found = longestName(names, surface)
  if (found) return { what: 'help', topic: undefined, command: found.command }
  const [first] = names
  // `help` and `version` have no page of their own.
  if (first === undefined || (names.length === 1 && (first === 'help' || first === 'version')))
    return { what: 'help', topic: undefined, command: undefined }
  const isTopic = surface.topics.some(({ name }) => name === first)
  if (isTopic && names.length === 1) return { what: 'help', topic: first, command: undefined }
  throw noCommand(names, isTopic, surface)
}

function longestName(
  args: readonly string[],
  { commands }: Surface,
): { readonly command: CommandFacts; readonly length: number } | undefined {
  const flag = args.findIndex((each) => each.startsWith('-'))
  const names = flag === -1 ? args : args.slice(0, flag)
  for (let length = Math.min(names.length, nameWordsMax); length > 0; length -= 1) {
    const id = names.slice(0, length).join(':')
    const command = commands.find((each) => each.id === id || each.aliases.includes(id))
    if (command) return { command, length }
  }
  return undefined
}

/** The words in the longest command name. */
const nameWordsMax = 3

function noCommand(names: readonly string[], isTopic: boolean, { bin, commands, topics }: Surface): Failure {
  const [first = '', second = ''] = names
  const shown = commands.filter(({ hidden }) => !hidden).map(({ id }) => spokenName(id))
  const inTopic = shown.filter((each) => each.startsWith(`${first} `)).map((each) => each.slice(first.length + 1))
  const meant = isTopic
    ? nearestInTopic(first, second, inTopic).map((each) => `${first} ${each}`)
    : nearestCommands(first, [...shown, ...topics.map(({ name }) => name), 'help', 'version'])
  const known = isTopic ? `${bin} ${first} --help` : `${bin} --help`
  return new Failure('invalid', `there is no command "${isTopic ? `${first} ${second}` : first}"`, {
    next: [...didYouMean(meant.map((each) => `\`${bin} ${each}\``)), `\`${known}\` lists the commands.`],
  })
}

function noFlag(flag: string, { bin }: Surface): Failure {
  const own = [...everywhere, ...helpFlags, ...versionFlags].filter((each) => each.startsWith('--'))
  const meant = flag.startsWith('--')
    ? nearest(
        flag.slice(2),
        own.map((each) => each.slice(2)),
      ).map((each) => `--${each}`)
    : []
  const commandFirst = `Write the command first, as in \`${bin} status ${flag}\`; \`${bin} --help\` lists them.`
  return new Failure('invalid', `${flag} is not a flag of ${bin} itself`, {
    next: meant.length > 0 ? didYouMean(meant.map((each) => `\`${bin} ${each}\``)) : [commandFirst],
  })
}

/** A sentence with what was probably meant; none if nothing is close. */
export function didYouMean(meant: readonly string[]): string[] {
  const last = meant.at(-1)
  if (last === undefined) return []
  return [`Did you mean ${meant.length === 1 ? last : `${meant.slice(0, -1).join(', ')} or ${last}`}?`]
}
