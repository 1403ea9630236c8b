/** A command line, taken apart before anything reads it. */
export interface CommandLine {
  /** The program's own arguments. */
  readonly own: readonly string[]
  /** What stands behind the first `--`, word for word; undefined where there is none. */
  readonly words: readonly string[] | undefined
}

/**
 * Takes the words behind the first `--` off a command line. They are another program's: nothing of ours looks for
 * flags, for its own name or for order among them.
 */
export function splitCommandLine(argv: readonly string[]): CommandLine {
  const at = argv.indexOf('--')
  return at === -1 ? { own: argv, words: undefined } : { own: argv.slice(0, at), words: argv.slice(at + 1) }
}

/** The command line that splitCommandLine took apart. */
export function joinCommandLine({ own, words }: CommandLine): string[] {
  return words === undefined ? [...own] : [...own, '--', ...words]
}
