import { type CommandFacts, type FlagFacts, type Surface, shownCommands, shownFlags, spokenName } from '../surface.ts'

/** What can be completed, in the form that all shells' scripts are generated from. */
export interface Completions {
  readonly bin: string
  /** First words: commands and topics, with their descriptions. */
  readonly first: readonly Word[]
  /** Second words, after a topic. */
  readonly second: readonly { readonly topic: string; readonly words: readonly Word[] }[]
  readonly commands: readonly CommandWords[]
}

export interface Word {
  readonly word: string
  readonly summary: string
}

export interface CommandWords {
  /** `image copy`. */
  readonly name: string
  readonly flags: readonly FlagFacts[]
  /** The possible values of its argument, if there is a list. */
  readonly values: readonly string[]
  /** Does it take arguments, which may be files? */
  readonly takesFiles: boolean
}

/** The shells with completion scripts. */
export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** Derives what can be completed from the surface. */
export function completionsOf(surface: Surface): Completions {
  const commands = shownCommands(surface)
  const isTopic = ({ id }: CommandFacts) => id.includes(':')
  const word = ({ id, summary }: CommandFacts): Word => ({ word: id.split(':').at(-1) ?? '', summary })
  return {
    bin: surface.bin,
    first: [
      ...commands.filter((each) => !isTopic(each)).map(word),
      ...surface.topics.map(({ name, description }) => ({ word: name, summary: description })),
      { word: 'help', summary: 'show help on a command' },
      { word: 'version', summary: 'show the version' },
    ].toSorted((a, b) => (a.word < b.word ? -1 : 1)),
    second: surface.topics.map(({ name }) => ({
      topic: name,
      words: commands.filter(({ id }) => id.startsWith(`${name}:`)).map(word),
    })),
    commands: commands.map((command) => ({
      name: spokenName(command.id),
      flags: shownFlags(command),
      values: Object.values(command.args).flatMap(({ options = [] }) => options),
      takesFiles: !command.strict || Object.values(command.args).some(({ options }) => options === undefined),
    })),
  }
}

/** `--follow`, `--[no-]publish` as two words. */
export function longForms({ name, allowNo }: FlagFacts): string[] {
  return allowNo ? [`--${name}`, `--no-${name}`] : [`--${name}`]
}
