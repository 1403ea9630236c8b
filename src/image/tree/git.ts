import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstat, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { errnoOf, Failure } from '../../core/failure.ts'
import { ifThere } from '../../host/files.ts'
import { type Environment, ofNoRepository } from './environment.ts'

const timeMsMax = 120_000
const outputBytesMax = 256 * 1024 * 1024
const errorBytesMax = 64 * 1024

/** Where git works. */
export interface GitPlace {
  readonly cwd: string
  /** The user's environment; variables that tie git to a repository are not passed on. */
  readonly env: Environment
  /** Variables for this place, such as an index or object store of its own. */
  readonly own?: Readonly<Record<string, string>>
}

export interface GitOptions {
  readonly signal?: AbortSignal
  readonly input?: string
  /** Exit codes that are valid results; others are failures. */
  readonly expected?: readonly number[]
}

/** The result of a git command. */
export interface GitAnswer {
  readonly exitCode: number
  readonly stdout: Uint8Array
}

/** Other pathspec modes, which git refuses in combination with ours. */
const ofPaths: ReadonlySet<string> = new Set(['GIT_GLOB_PATHSPECS', 'GIT_ICASE_PATHSPECS', 'GIT_NOGLOB_PATHSPECS'])
/** Paths are literal, not patterns; and `git replace` affects one clone, not the commit. */
const always = ['--no-pager', '--no-optional-locks', '--literal-pathspecs', '--no-replace-objects']

/**
 * Runs git with an argument list: no prompts, no transports that run programs, none of the user's aliases, locks or
 * pagers.
 * @throws Failure 'program' with its output
 */
export async function git(args: readonly string[], place: GitPlace, options: GitOptions = {}): Promise<GitAnswer> {
  const { error, exitCode, stdout, stderr } = await run(args, place, options)
  options.signal?.throwIfAborted()
  if (exitCode === 0 || options.expected?.includes(exitCode)) return { exitCode, stdout }
  throw failed(args, place, error, text(stderr))
}

interface Ended {
  readonly error: Error | null
  /** -1 if it did not end by itself. */
  readonly exitCode: number
  readonly stdout: Buffer
  readonly stderr: Buffer
}

/** Uses node:child_process: loading execa would take a fifth of the time that a tag may take. */
function run(args: readonly string[], place: GitPlace, { signal, input }: GitOptions): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      'git',
      [...always, ...args],
      {
        cwd: place.cwd,
        encoding: 'buffer',
        timeout: timeMsMax,
        maxBuffer: outputBytesMax,
        env: environmentOf(place),
        ...(signal ? { signal } : {}),
      },
      (error, stdout, stderr) => {
        const code = error ? error.code : 0
        resolve({ error, exitCode: typeof code === 'number' ? code : -1, stdout, stderr })
      },
    )
    // git may end without reading its input: its exit code then says why.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}

/**
 * Runs git, and reads its output as it runs.
 * @throws Failure 'program', and what read throws
 */
export async function gitStream(
  args: readonly string[],
  place: GitPlace,
  input: string,
  read: (output: Readable) => Promise<void>,
): Promise<void> {
  const child = spawn('git', [...always, ...args], { cwd: place.cwd, env: environmentOf(place), timeout: timeMsMax })
  const ended = once(child, 'close')
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    if (said.length < errorBytesMax) said += chunk
  })
  // With a listener, Node keeps the output until it is read, even if git has ended meanwhile.
  child.stdout.on('readable', () => undefined)
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [hasRead, hasEnded] = await Promise.allSettled([
    read(child.stdout).finally(() => child.stdout.destroy()),
    ended,
  ])
  if (hasEnded.status === 'rejected') throw failed(args, place, hasEnded.reason, said)
  // Not reading to the end makes git fail too, so the reader's error is the cause.
  if (hasRead.status === 'rejected') throw hasRead.reason
  const [exitCode] = hasEnded.value as [number | null]
  if (exitCode !== 0) throw failed(args, place, null, said)
}

function environmentOf({ env, own }: GitPlace): Environment {
  const kept = Object.entries(ofNoRepository(env)).filter(([name]) => !ofPaths.has(name))
  const ours = { GIT_TERMINAL_PROMPT: '0', GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh', LC_ALL: 'C' }
  return { ...Object.fromEntries(kept), ...ours, ...own }
}

function failed(args: readonly string[], { cwd }: GitPlace, error: unknown, said: string): Failure {
  const output = said.trim()
  if (errnoOf(error) === 'ENOENT')
    return new Failure('program', 'the sources are in a git repository, but git is not installed', {
      where: cwd,
      next: ['Install git.'],
      cause: error,
    })
  // In containers and in CI a checkout often belongs to another user (git-config, safe.directory).
  const foreign = /dubious ownership in repository at '(.+)'/.exec(output)?.[1]
  if (foreign !== undefined)
    return new Failure('program', 'git refuses to read the repository because it belongs to another user', {
      where: foreign,
      output,
      next: [`If you trust its content: git config --global --add safe.directory ${foreign}`],
    })
  return new Failure('program', `git ${args[0]} failed`, { where: cwd, output })
}

/** git's output as one trimmed line. */
export async function gitLine(args: readonly string[], place: GitPlace, options: GitOptions = {}): Promise<string> {
  return text((await git(args, place, options)).stdout).trim()
}

/** The NUL-terminated parts of an output. */
export function nulParts(bytes: Uint8Array): string[] {
  const parts = text(bytes).split('\0')
  parts.pop()
  return parts
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/**
 * The checkout that contains a folder, or null if none does.
 * @throws Failure 'program' if there is one but git does not return it: git is missing, or refuses to read it
 */
export async function checkoutOf(place: GitPlace): Promise<string | null> {
  if ((await repositoryAbove(place.cwd)) === null) return null
  const args = ['rev-parse', '--show-toplevel']
  const { error, exitCode, stdout, stderr } = await run(args, place, {})
  if (exitCode === 0) return text(stdout).trim()
  const said = text(stderr)
  // A .git that is not a repository, a file system boundary that git does not cross, or the inside of a .git folder.
  if (/not a git repository \(or any|must be run in a work tree/.test(said)) return null
  throw failed(args, place, error, said)
}

/**
 * The nearest folder at or above this one with a .git, or null. Found without git, which may be missing or refuse to
 * answer.
 */
export async function repositoryAbove(cwd: string): Promise<string | null> {
  // A missing folder is reported by whoever reads from it.
  const start = await ifThere(realpath(cwd), 'ENOTDIR')
  if (start === undefined) return null
  for (let folder = start; ; folder = dirname(folder)) {
    if (await ifThere(lstat(join(folder, '.git')), 'ENOTDIR')) return folder
    if (folder === dirname(folder)) return null
  }
}
