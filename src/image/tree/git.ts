import { execFile } from 'node:child_process'
import { errnoOf, Failure } from '../../core/failure.ts'

const timeMsMax = 120_000
const outputBytesMax = 256 * 1024 * 1024

export interface GitOptions {
  readonly cwd: string
  readonly signal?: AbortSignal
  readonly input?: string
  /** Exit codes that are answers; others are failures. */
  readonly expected?: readonly number[]
}

/** What git answered. */
export interface GitAnswer {
  readonly exitCode: number
  readonly stdout: Uint8Array
}

/**
 * Runs git by argument list: no prompts, no transports that run programs, none of the user's
 * aliases, locks or pagers.
 * @throws Failure 'program' with what it printed
 */
export async function git(args: readonly string[], options: GitOptions): Promise<GitAnswer> {
  const result = await run(['--no-pager', '--no-optional-locks', ...args], options)
  options.signal?.throwIfAborted()
  if (errnoOf(result.error) === 'ENOENT')
    throw new Failure('program', 'git is not installed, and the sources are in a git repository', {
      next: ['Install git.'],
      cause: result.error,
    })
  const { exitCode, stdout } = result
  if (exitCode === 0 || options.expected?.includes(exitCode)) return { exitCode, stdout }
  const output = text(result.stderr).trim()
  throw new Failure('program', `git ${args[0]} failed`, { where: options.cwd, output })
}

interface Ended {
  readonly error: Error | null
  /** -1 when it did not end by itself. */
  readonly exitCode: number
  readonly stdout: Buffer
  readonly stderr: Buffer
}

/** Node's own way to run a program: loading execa would take a fifth of the time that a tag may take. */
function run(args: readonly string[], { cwd, signal, input }: GitOptions): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      'git',
      args,
      {
        cwd,
        encoding: 'buffer',
        timeout: timeMsMax,
        maxBuffer: outputBytesMax,
        env: { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh', LC_ALL: 'C' },
        ...(signal ? { signal } : {}),
      },
      (error, stdout, stderr) => {
        const code = error ? error.code : 0
        resolve({ error, exitCode: typeof code === 'number' ? code : -1, stdout, stderr })
      },
    )
    // It may end without reading: its exit code says so then.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}

/** git's answer as one trimmed line. */
export async function gitLine(args: readonly string[], options: GitOptions): Promise<string> {
  return text((await git(args, options)).stdout).trim()
}

/** The parts of an answer that ends each with NUL. */
export function nulParts(bytes: Uint8Array): string[] {
  const parts = text(bytes).split('\0')
  parts.pop()
  return parts
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** The checkout that a folder is in, or null: no git repository, or no git at all. */
export async function checkoutOf(folder: string): Promise<string | null> {
  try {
    const answer = await git(['rev-parse', '--show-toplevel'], { cwd: folder, expected: [128] })
    return answer.exitCode === 0 ? text(answer.stdout).trim() : null
  } catch (error) {
    if (error instanceof Failure && error.kind === 'program') return null
    throw error
  }
}
