import { errnoOf } from '../core/failure.ts'
import { directServe } from './direct.ts'
import { type ParsedCommandLine, parseCommandLine } from './dispatch.ts'
import { show } from './show.ts'
import { readSurface, type Surface } from './surface.ts'

/**
 * Runs the command that the arguments name, sets the exit code, and shows failures.
 * @param root the folder of package.json
 */
export async function main(argv: string[], root: string): Promise<void> {
  // `native logs | head`: a reader that stops early is not a failure.
  process.stdout.on('error', (error) => {
    if (errnoOf(error) === 'EPIPE') process.exit()
    void show(error, argv).then((code) => process.exit(code))
  })
  try {
    const direct = directServe(argv, process.env)
    if (direct) await (await import('./serve-directly.ts')).serveDirectly(direct, root)
    else await runCommand(argv, root)
  } catch (error) {
    const code = plainExit(error)
    process.exitCode = code ?? (await show(error, argv))
  }
}

async function runCommand(argv: string[], root: string): Promise<void> {
  const surface = readSurface(root)
  const asked = parseCommandLine(argv, surface)
  if (asked.what === 'version') return tellVersion(surface, argv)
  if (asked.what === 'help') return help(surface, asked)
  const { Config, flush } = await import('@oclif/core')
  // Otherwise oclif looks for user-installed plugins in the data folder, with a warning if that cannot be read.
  const config = await Config.load({ root, userPlugins: false })
  await config.runCommand(asked.command.id, asked.argv)
  await flush()
}

async function help(surface: Surface, { command, topic }: Extract<ParsedCommandLine, { what: 'help' }>): Promise<void> {
  const { commandHelp, rootHelp, topicHelp } = await import('./help.ts')
  const { stdout } = process
  const text = command
    ? commandHelp(surface, command, stdout)
    : topic !== undefined
      ? topicHelp(surface, topic, stdout)
      : rootHelp(surface, stdout)
  stdout.write(`${text}\n`)
}

function tellVersion({ bin, version }: Surface, argv: readonly string[]): void {
  const facts = { version, platform: process.platform, arch: process.arch, node: process.versions.node }
  const text = argv.includes('--json')
    ? JSON.stringify(facts, null, 2)
    : `${bin}/${version} ${facts.platform}-${facts.arch} node-v${facts.node}`
  process.stdout.write(`${text}\n`)
}

/** The exit code that a command chose (`this.exit(code)`, --help), which is not a failure. */
function plainExit(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIT' || !('oclif' in error)) return undefined
  const { oclif } = error
  return typeof oclif === 'object' && oclif !== null && 'exit' in oclif && typeof oclif.exit === 'number'
    ? oclif.exit
    : undefined
}
