import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A flag, as shown in help, completion and the manual page. */
export interface FlagFacts {
  readonly name: string
  readonly char?: string
  readonly summary?: string
  readonly type: 'boolean' | 'option'
  readonly options?: readonly string[]
  readonly multiple?: boolean
  readonly default?: string | number | boolean
  readonly env?: string
  readonly required?: boolean
  readonly hidden?: boolean
  readonly allowNo?: boolean
  readonly helpGroup?: string
}

export interface ArgumentFacts {
  readonly name: string
  readonly options?: readonly string[]
  readonly description?: string
  readonly required?: boolean
}

export interface CommandFacts {
  /** `image:copy`. */
  readonly id: string
  readonly aliases: readonly string[]
  readonly summary: string
  readonly description?: string
  readonly usage?: string | readonly string[]
  readonly examples?: readonly string[]
  readonly hidden?: boolean
  /** False if more arguments may be given than are named. */
  readonly strict: boolean
  readonly takesWords?: boolean
  readonly flags: Readonly<Record<string, FlagFacts>>
  readonly args: Readonly<Record<string, ArgumentFacts>>
}

/** The program's entire command line: one source for help, completion and the manual page. */
export interface Surface {
  readonly bin: string
  readonly version: string
  readonly description: string
  /** Sorted by name, including hidden ones. */
  readonly commands: readonly CommandFacts[]
  /** First words of commands: `image`. */
  readonly topics: readonly { readonly name: string; readonly description: string }[]
}

/**
 * Reads the commands' description that the build wrote. That takes a few milliseconds; loading the framework and the
 * commands takes a hundred.
 * @param root the folder of package.json
 */
export function readSurface(root: string): Surface {
  const { oclif, version, description } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const { commands } = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'))
  const topics: Record<string, { description?: string }> = oclif.topics ?? {}
  return {
    bin: oclif.bin,
    version,
    description,
    commands: Object.values<CommandFacts>(commands).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    topics: Object.entries(topics).map(([name, { description: text = '' }]) => ({ name, description: text })),
  }
}

/** The commands that are not hidden. */
export function shownCommands({ commands }: Surface): readonly CommandFacts[] {
  return commands.filter(({ hidden }) => !hidden)
}

/** A command's flags that are not hidden. */
export function shownFlags({ flags }: CommandFacts): readonly FlagFacts[] {
  return Object.values(flags).filter(({ hidden }) => !hidden)
}

/** `image copy`: a command's name as people write it. */
export function spokenName(id: string): string {
  return id.replaceAll(':', ' ')
}

/** The examples, with the program's name filled in. */
export function examplesOf({ examples = [] }: CommandFacts, bin: string): readonly string[] {
  return examples.map((each) => each.replaceAll('<%= config.bin %>', bin))
}
