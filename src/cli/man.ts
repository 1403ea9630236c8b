import type { FailureKind } from '../core/failure.ts'
import { exitCodes } from './exit.ts'
import { flagGroups, flagSummary, flagText, usageLines } from './help.ts'
import { type CommandFacts, examplesOf, type FlagFacts, type Surface, shownCommands, spokenName } from './surface.ts'

/** The manual page native(1), in the macros of man(7). */
export function manualPage(surface: Surface): string {
  const { bin, version, description } = surface
  const lines = [
    `.TH ${bin.toUpperCase()} 1 "" "${bin} ${version}" "User commands"`,
    '.SH NAME',
    `${bin} \\- ${roff(firstSmall(description))}`,
    '.SH SYNOPSIS',
    `.B ${bin}`,
    '.I COMMAND',
    '[flags]',
    '.SH COMMANDS',
    ...shownCommands(surface).flatMap((command) => commandPart(surface, command)),
    '.SH EXIT STATUS',
    ...exitStatus(),
    '.SH ENVIRONMENT',
    ...environment(surface),
  ]
  return `${lines.join('\n')}\n`
}

function commandPart(surface: Surface, command: CommandFacts): string[] {
  const examples = examplesOf(command, surface.bin)
  return [
    `.SS ${roff(`${surface.bin} ${spokenName(command.id)}`)}`,
    ...usageLines(surface, command).flatMap((each) => [`.B ${roff(each)}`, '.br']),
    '.PP',
    roff(`${command.summary}.`.replace(/^./, (first) => first.toUpperCase())),
    ...(command.description ?? '').split('\n\n').flatMap((each) => (each === '' ? [] : paragraph(each))),
    ...flagGroups(command)
      .filter(([group]) => group !== 'GLOBAL')
      .flatMap(([, flags]) => flags.flatMap(flagPart)),
    ...(examples.length === 0 ? [] : ['.PP', '.nf', '.RS', ...examples.map(roff), '.RE', '.fi']),
  ]
}

/** A paragraph; indented lines are kept separate. */
function paragraph(text: string): string[] {
  return text.startsWith('  ') ? ['.PP', '.nf', ...text.split('\n').map(roff), '.fi'] : ['.PP', roff(text)]
}

function flagPart(flag: FlagFacts): string[] {
  return ['.TP', `.B ${roff(flag.char ? `-${flag.char}, ${flagText(flag)}` : flagText(flag))}`, roff(flagSummary(flag))]
}

function exitStatus(): string[] {
  const byCode = new Map<number, FailureKind[]>()
  for (const kind of Object.keys(exitCodes) as FailureKind[])
    byCode.set(exitCodes[kind], [...(byCode.get(exitCodes[kind]) ?? []), kind])
  const failures = [...byCode].flatMap(([code, kinds]) => ['.TP', `.B ${code}`, roff(kinds.join(', '))])
  return ['.TP', '.B 0', 'it is done', ...failures]
}

function environment(surface: Surface): string[] {
  const all = shownCommands(surface).flatMap(({ flags }) => Object.values(flags))
  const variables = new Map(all.flatMap((flag) => (flag.env ? [[flag.env, flag] as const] : [])))
  return [...variables].flatMap(([name, { name: flag }]) => ['.TP', `.B ${roff(name)}`, roff(`in place of --${flag}`)])
}

/** Text escaped for roff: no line may begin like a request. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&')
}

function firstSmall(text: string): string {
  return text.replace(/^./, (first) => first.toLowerCase()).replace(/\.$/, '')
}
