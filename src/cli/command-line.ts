/** A command line, split before anything else reads it. */
export interface CommandLine {
  /** The program's own arguments. */
  readonly own: readonly string[]
  /** What follows the first `--`, verbatim; undefined if there is none. */
  readonly words: readonly string[] | undefined
}

/**
 * Splits off the words after the first `--`. They belong to another program: we look neither for flags nor for our own
 * name among them, and do not reorder them.
 */
export function splitCommandLine(argv: readonly string[]): CommandLine {
  const at = argv.indexOf('--')
  return at === -1 ? { own: argv, words: undefined } : { own: argv.slice(0, at), words: argv.slice(at + 1) }
}

/** The inverse of splitCommandLine. */
export function joinCommandLine({ own, words }: CommandLine): string[] {
  return words === undefined ? [...own] : [...own, '--', ...words]
}
