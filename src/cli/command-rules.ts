/** What a command's command line may look like: the part of oclif's definitions that matters here. */
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
  /** May there be more arguments than are named? */
  readonly open: boolean
  /** Is what follows `--` another program's command line? */
  readonly takesWords: boolean
  /** Other commands with a flag of this name, as people write them. */
  readonly others?: (flag: string) => readonly string[]
}

interface ArgumentRules {
  readonly description?: string | undefined
  readonly required?: boolean | undefined
  readonly options?: readonly string[] | undefined
}
