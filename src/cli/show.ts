import { splitCommandLine } from './command-line.ts'

/**
 * Shows a failure in the form that the arguments request. The code for it is loaded only then: it depends on the wire
 * room, and help must be fast.
 * @param argv all of the program's arguments
 * @returns the exit code
 */
export async function show(error: unknown, argv: readonly string[]): Promise<number> {
  // Arguments after `--` are another program's.
  const flags = splitCommandLine(argv).own
  const { exitCodeOf, failureJson, failureText, shownFailure } = await import('./failures.ts')
  const shown = shownFailure(error)
  if (wantsJson(flags)) process.stdout.write(`${JSON.stringify(failureJson(shown), null, 2)}\n`)
  else process.stderr.write(failureText(shown, { debug: flags.includes('--debug'), stream: process.stderr }))
  return exitCodeOf(shown)
}

/** `--json`, or `-o json`, cosign's name for it in `image verify`. */
function wantsJson(flags: readonly string[]): boolean {
  return flags.some((each, at) => {
    if (each === '--json' || each === '--json=true' || /^(?:-o|--output)=?json$/.test(each)) return true
    return each === 'json' && (flags[at - 1] === '-o' || flags[at - 1] === '--output')
  })
}
