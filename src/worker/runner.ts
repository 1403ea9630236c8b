import { appendFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import type { re } from '../wire/proto.ts'
import { findProgram, type Problem, startProblem } from './program.ts'
import type { Spawner } from './spawner.ts'
import { followFile } from './tail.ts'

export interface RunOptions {
  readonly spawner: Spawner
  readonly clock: Clock
  readonly command: re.Command.$Properties
  /** The action's folder, and its working directory in it; absolute. */
  readonly root: string
  readonly cwd: string
  /** Files that its output goes to; they must not be there yet. */
  readonly stdout: string
  readonly stderr: string
  readonly timeoutMs: number
  /** Kills it. */
  readonly signal: AbortSignal
  readonly onOutput: (stream: 'stdout' | 'stderr', data: Uint8Array) => void
}

export interface Run {
  /** killed: by the signal. */
  readonly outcome: 'exited' | 'timeout' | 'killed'
  readonly exitCode: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number
}

/** A timer that is set to more fires at once. */
const timerMsMax = 2 ** 31 - 1
/** What a shell adds to the number of the signal that ended a program. */
const signalBase = 128

/**
 * Runs a command: its argv as it is and no shell, exactly its environment (rule 38), an empty
 * standard input. A time-out or the signal kills its whole process tree.
 * A program that cannot be found or started is a result as from a shell: exit code 127 or 126
 * and a line on standard error. (Buildbarn answers INVALID_ARGUMENT; but a tool that is absent
 * from a worker is no malformed request, and a result is what every client shows best.)
 * @throws Failure 'invalid' for a Command without arguments or with a variable that no
 *   environment can hold; 'unavailable' when the helper process is lost
 */
export async function run(options: RunOptions): Promise<Run> {
  const { clock, command, root, signal } = options
  const [name, ...args] = command.arguments ?? []
  if (!name) throw new Failure('invalid', 'the Command has no arguments')
  const env = environmentOf(command)
  if ([name, ...args].some((arg) => arg.includes('\0')))
    throw new Failure('invalid', 'an argument of the Command holds a NUL character')
  const begun = clock.now()
  const program = findProgram(name, env, options.cwd)
  if ('problem' in program) return refused(program.problem, options, begun)

  let outcome: Run['outcome'] = 'exited'
  const spawned = options.spawner.start({
    file: program.file,
    args: [name, ...args],
    env,
    cwd: options.cwd,
    stdout: options.stdout,
    stderr: options.stderr,
  })
  const kill = (why: Run['outcome']) => {
    if (outcome === 'exited') outcome = why
    spawned.kill(root)
  }
  const killed = () => kill('killed')
  const cancelTimer = clock.after(Math.min(options.timeoutMs, timerMsMax), () => kill('timeout'))
  signal.addEventListener('abort', killed, { once: true })
  if (signal.aborted) killed()
  const tails = [
    followFile(options.stdout, clock, (data) => options.onOutput('stdout', data)),
    followFile(options.stderr, clock, (data) => options.onOutput('stderr', data)),
  ]
  try {
    const ended = await spawned.ended
    if (ended.kind === 'failed') return refused(startProblem(name, ended.code, ended.message), options, ended.at)
    const exitCode = ended.signal === '' ? ended.code : signalBase + signalNumber(ended.signal)
    return { outcome, exitCode, startedAt: ended.startedAt, endedAt: ended.at }
  } finally {
    cancelTimer()
    signal.removeEventListener('abort', killed)
    for (const tail of tails) tail.finish()
  }
}

function refused({ exitCode, text }: Problem, { stdout, stderr, clock }: RunOptions, startedAt: number): Run {
  appendFileSync(stdout, '')
  appendFileSync(stderr, text)
  return { outcome: 'exited', exitCode, startedAt, endedAt: clock.now() }
}

function environmentOf(command: re.Command.$Properties): Record<string, string> {
  const env: Record<string, string> = Object.create(null)
  for (const { name, value } of command.environmentVariables ?? []) {
    if (!name || name.includes('=') || `${name}${value ?? ''}`.includes('\0'))
      throw new Failure('invalid', `${JSON.stringify(name ?? '')} cannot be an environment variable`)
    env[name] = value ?? ''
  }
  return env
}

function signalNumber(name: string): number {
  return constants.signals[name as NodeJS.Signals] ?? 0
}
