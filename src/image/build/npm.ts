import { delimiter, dirname } from 'node:path'
import { execa } from 'execa'
import { Failure } from '../../core/failure.ts'

const timeMsMax = 15 * 60_000
const outputBytesMax = 4 * 1024 * 1024

export interface NpmOptions {
  /** The PATH that npm is looked for in. */
  readonly path: string
  readonly signal: AbortSignal
}

/**
 * Runs npm on this process's own Node, by argument list, without install scripts of strangers.
 * The user's npm settings (registry, proxy, cache) hold.
 * @throws Failure 'program' with the end of what it printed
 */
export async function npm(args: readonly string[], cwd: string, { path, signal }: NpmOptions): Promise<string> {
  const result = await execa('npm', [...args, '--no-audit', '--no-fund', '--no-update-notifier', '--ignore-scripts'], {
    cwd,
    reject: false,
    timeout: timeMsMax,
    maxBuffer: outputBytesMax,
    stdin: 'ignore',
    cancelSignal: signal,
    env: { PATH: `${dirname(process.execPath)}${delimiter}${path}`, NODE_ENV: '' },
  })
  signal.throwIfAborted()
  if (result.exitCode === 0) return result.stdout
  const missing = result.code === 'ENOENT'
  throw new Failure('program', missing ? 'npm is not installed' : `npm ${args[0]} failed`, {
    where: cwd,
    output: reason(result.stderr || result.stdout),
    next: missing ? ['Install Node with npm.'] : ['It needs the npm registry; see `npm config get registry`.'],
  })
}

/** npm says what was wrong first, and then how it is used. */
function reason(output: string): string {
  const lines = output.split('\n').filter((line) => !/^npm (?:warn|notice)/.test(line))
  const usage = lines.findIndex((line) => /^npm error (?:Usage|Clean install)/.test(line))
  return lines
    .slice(0, usage < 0 ? undefined : usage)
    .slice(0, 40)
    .join('\n')
    .trim()
}
