import { styleText } from 'node:util'
import {
  type CommandFacts,
  examplesOf,
  type FlagFacts,
  type Surface,
  shownCommands,
  shownFlags,
  spokenName,
} from './surface.ts'
import { columnsOf, wrapped } from './wrap.ts'

/** Headings of flag groups; other groups are shown by name. */
const groupTitles: Readonly<Record<string, string>> = {
  '': 'Flags',
  KIND: 'Flags for kind clusters',
  GLOBAL: 'Flags of every command',
}
/** Groups that come after all others, in this order. */
const lastGroups: readonly string[] = ['KIND', 'GLOBAL']

interface Page {
  readonly columns: number
  readonly heading: (text: string) => string
}

function pageFor(stream: NodeJS.WriteStream): Page {
  return { columns: columnsOf(stream), heading: (text) => styleText('bold', text, { stream }) }
}

/** What `native --help` shows. */
export function rootHelp(surface: Surface, stream: NodeJS.WriteStream): string {
  const page = pageFor(stream)
  const { bin } = surface
  const single = shownCommands(surface).filter(({ id }) => !id.includes(':'))
  const entries = [
    ...single.map(({ id, summary }): Entry => [id, summary]),
    ...surface.topics.map(({ name, description }): Entry => [name, `${description} …`]),
    ['help', 'show help on a command'] as Entry,
    ['version', 'show the version'] as Entry,
  ].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return sections([
    wrapped(surface.description, page.columns),
    section(page, 'Usage', indented([`${bin} COMMAND [flags]`])),
    section(page, 'First steps', list(page, firstSteps(bin))),
    section(page, 'Commands', list(page, entries)),
    wrapped(`\`${bin} help COMMAND\` or \`${bin} COMMAND --help\` shows details and examples.`, page.columns),
  ])
}

function firstSteps(bin: string): Entry[] {
  return [
    [`${bin} deploy`, 'bring a cluster up and start the servers'],
    [`${bin} bazelrc`, 'print the lines that let Bazel use it'],
    [`${bin} down`, 'stop and remove all of it'],
  ]
}

/** What `native image --help` shows. */
export function topicHelp(surface: Surface, topic: string, stream: NodeJS.WriteStream): string {
  const page = pageFor(stream)
  const inside = shownCommands(surface).filter(({ id }) => id.startsWith(`${topic}:`))
  const description = surface.topics.find(({ name }) => name === topic)?.description ?? ''
  return sections([
    wrapped(sentence(description), page.columns),
    section(page, 'Usage', indented([`${surface.bin} ${topic} COMMAND [flags]`])),
    section(
      page,
      'Commands',
      list(
        page,
        inside.map(({ id, summary }) => [spokenName(id), summary]),
      ),
    ),
  ])
}

/** What `native COMMAND --help` shows. */
export function commandHelp(surface: Surface, command: CommandFacts, stream: NodeJS.WriteStream): string {
  const page = pageFor(stream)
  const args = Object.values(command.args).filter(({ description }) => description)
  const aliases = command.aliases.map((each) => `${surface.bin} ${spokenName(each)}`)
  return sections([
    wrapped(sentence(command.summary), page.columns),
    section(page, 'Usage', indented(usageLines(surface, command))),
    command.description ? wrapped(command.description, page.columns) : '',
    section(
      page,
      'Arguments',
      list(
        page,
        args.map(({ name, description = '' }) => [name.toUpperCase(), description]),
      ),
    ),
    ...flagGroups(command).map(([group, flags]) =>
      section(page, groupTitles[group] ?? `Flags: ${group.toLowerCase()}`, list(page, flags.map(flagEntry))),
    ),
    section(page, 'Also written', indented(aliases)),
    section(page, 'Examples', indented(examplesOf(command, surface.bin))),
  ])
}

/** Each way to invoke a command, without its optional flags. */
export function usageLines({ bin }: Surface, command: CommandFacts): string[] {
  const { usage } = command
  if (usage !== undefined) return (typeof usage === 'string' ? [usage] : usage).map((each) => `${bin} ${each} [flags]`)
  const args = Object.values(command.args).map(({ name, required }, at, all) => {
    const more = !command.strict && at === all.length - 1 ? '...' : ''
    return required ? `${name.toUpperCase()}${more}` : `[${name.toUpperCase()}${more}]`
  })
  const flags = shownFlags(command)
  const required = flags.filter((flag) => flag.required).map(flagText)
  const words = command.takesWords ? ['--', 'COMMAND', '[WORD...]'] : []
  return [[bin, spokenName(command.id), ...args, ...required, '[flags]', ...words].join(' ')]
}

/** The flags by group, in display order. */
export function flagGroups(command: CommandFacts): [group: string, flags: FlagFacts[]][] {
  const flags = shownFlags(command)
  const names = [...new Set(flags.map(({ helpGroup = '' }) => helpGroup))]
  const rank = (name: string) => lastGroups.indexOf(name) + (name === '' ? -1 : 0)
  return names
    .toSorted((a, b) => rank(a) - rank(b))
    .map((group) => [group, flags.filter(({ helpGroup = '' }) => helpGroup === group)])
}

/** `--lines <value>`, `--driver <process|kind>`, `--[no-]publish`. */
export function flagText({ name, type, options, allowNo }: FlagFacts): string {
  if (type === 'boolean') return allowNo ? `--[no-]${name}` : `--${name}`
  return `--${name} <${options ? options.join('|') : 'value'}>`
}

/** The description of a flag: its summary, its default and its variable. */
export function flagSummary({ summary = '', default: usual, env, type }: FlagFacts): string {
  const facts = [
    ...(type === 'option' && usual !== undefined ? [`default: ${usual}`] : []),
    ...(env ? [`variable: ${env}`] : []),
  ]
  return facts.length === 0 ? summary : `${summary} [${facts.join(', ')}]`
}

type Entry = [left: string, right: string]

function flagEntry(flag: FlagFacts): Entry {
  return [`${flag.char ? `-${flag.char}, ` : '    '}${flagText(flag)}`, flagSummary(flag)]
}

/** A wider left column would leave no room for the right one. */
const leftMax = 30
const rightMin = 24

function list({ columns }: Page, entries: readonly Entry[]): string[] {
  const left = Math.min(leftMax, Math.max(0, ...entries.map(([text]) => text.length)))
  const beside = columns - left - 4 >= rightMin
  const indent = ' '.repeat(beside ? left + 4 : 6)
  return entries.map(([name, text]) => {
    const right = wrapped(text, columns, indent)
    const fits = beside && name.length <= left
    return fits ? `  ${name.padEnd(left)}  ${right}` : `  ${name}\n${indent}${right}`
  })
}

function indented(lines: readonly string[]): string[] {
  return lines.map((each) => `  ${each}`)
}

function section({ heading }: Page, title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [heading(title), ...lines].join('\n')
}

function sections(parts: readonly string[]): string {
  return parts.filter((each) => each !== '').join('\n\n')
}

/** Capitalised, with a full stop. */
function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}
