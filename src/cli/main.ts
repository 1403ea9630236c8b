import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../core/failure.ts'
import { type DirectServe, directServe } from './direct.ts'

/**
 * Runs the command that the arguments name and sets the exit code. The one place that shows
 * a failure.
 * @param root the folder of package.json
 */
export async function main(argv: string[], root: string): Promise<void> {
  // `native logs | head`: a reader that has enough is no failure.
  process.stdout.on('error', (error) => {
    if (errnoOf(error) === 'EPIPE') process.exit()
    void show(error, ownFlags(argv)).then((code) => process.exit(code))
  })
  try {
    const direct = directServe(argv, process.env)
    if (direct) await runServer(direct, root)
    else await runCommand(argv, root)
  } catch (error) {
    const code = plainExit(error)
    process.exitCode = code ?? (await show(error, ownFlags(argv)))
  }
}

async function runCommand(argv: string[], root: string): Promise<void> {
  const { flush, run } = await import('@oclif/core')
  await run(argv, { root })
  await flush()
}

async function runServer({ role, configFile, parentFd }: DirectServe, root: string): Promise<void> {
  const { serve } = await import('../serve/run.ts')
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  await serve(role, { configFile, parentFd, version })
}

/** What shows failures is loaded when there is one: it knows the wire, and help must be fast. */
async function show(error: unknown, flags: readonly string[]): Promise<number> {
  const { exitCodeOf, failureJson, failureText, shownFailure } = await import('./failures.ts')
  const shown = shownFailure(error)
  if (flags.includes('--json')) process.stdout.write(`${JSON.stringify(failureJson(shown), null, 2)}\n`)
  else process.stderr.write(failureText(shown, { debug: flags.includes('--debug'), stream: process.stderr }))
  return exitCodeOf(shown)
}

/** Arguments behind `--` are another program's. */
function ownFlags(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end === -1 ? argv : argv.slice(0, end)
}

/** The code of an end that a command chose (`this.exit(code)`, --help), which is no failure. */
function plainExit(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIT' || !('oclif' in error)) return undefined
  const { oclif } = error
  return typeof oclif === 'object' && oclif !== null && 'exit' in oclif && typeof oclif.exit === 'number'
    ? oclif.exit
    : undefined
}
