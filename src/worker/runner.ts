import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import type { re } from '../wire/proto.ts'
import type { ResourceUsage } from '../wire/resource-usage.ts'
import type { HeldImage } from './images/store.ts'
import { pathInTree } from './images/tree.ts'
import { bytesOf, type DiskWatch, foldersOf, watchDisk } from './limits/disk.ts'
import type { LimitCounts, Limits } from './limits/limits.ts'
import { findProgram, type Problem, searchPath, startProblem } from './program.ts'
import type { Sinks } from './slot-process.ts'
import type { Spawner } from './spawner.ts'

export interface RunOptions {
  readonly spawner: Spawner
  readonly clock: Clock
  readonly command: re.Command.$Properties
  /** The action's folder, and its working directory in it; absolute. */
  readonly root: string
  readonly cwd: string
  /** Whether it may use the machine's network in a sandbox. */
  readonly network: boolean
  /** What it sees instead of the machine's programs. */
  readonly image?: HeldImage | undefined
  /** Whether it gets the image's variables, overridden by its own. */
  readonly imageEnvironment?: boolean
  /** Its limits. */
  readonly limits: Limits
  readonly sinks: Sinks
  readonly timeoutMs: number
  /** The time between SIGTERM and SIGKILL after a time-out. */
  readonly graceMs: number
  /** Ends it. */
  readonly signal: AbortSignal
}

export interface Run {
  /** killed: by the signal. */
  readonly outcome: 'exited' | 'timeout' | 'killed'
  readonly exitCode: number
  /** Where the action saw its folder. */
  readonly seenRoot: string
  /** How often it hit its limits, where that is known. */
  readonly met?: LimitCounts | undefined
  /** Absent for one that ran in a persistent tool, which may have done other things meanwhile. */
  readonly used?: ResourceUsage
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number
}

/** A timer with a longer delay fires at once. */
const timerMsMax = 2 ** 31 - 1
/** Nobody waits for a cancelled action's results; it may still finish what it has begun elsewhere. */
const cancelGraceMsMax = 500
/** As in a shell: 128 plus the number of SIGKILL. */
const killedCode = 137

/**
 * Runs a command: its argv as is and without a shell, with exactly its environment (rule 38) and empty standard input.
 * A time-out or the signal ends its whole process tree, with SIGTERM first and SIGKILL after the grace time. A program
 * that cannot be found or started is a result, as from a shell: exit code 127 or 126 and a line on standard error.
 * (Buildbarn answers INVALID_ARGUMENT; but a tool that a worker lacks does not make the request malformed, and every
 * client presents a result well.)
 * @throws Failure 'invalid' for a Command without arguments, with a variable that no environment can hold or with more
 *   than a process can be started with; 'unavailable' when the machine does not let a process start
 */
export async function run(options: RunOptions): Promise<Run> {
  const { clock, command, cwd, root, sinks, limits, image } = options
  const [name, ...others] = command.arguments ?? []
  if (!name) throw new Failure('invalid', 'the Command has no arguments')
  const args = [name, ...others]
  const env = { ...imageEnvironment(options), ...environmentOf(command) }
  if (args.some((arg) => arg.includes('\0')))
    throw new Failure('invalid', 'an argument of the Command holds a NUL character')
  const isInput = (path: string) => path.startsWith(`${root}/`)
  const at = (path: string) => (image && !isInput(path) ? pathInTree(image.tree, path) : path)
  const program = findProgram(name, env, cwd, at)
  const begun = clock.now()
  if ('problem' in program)
    return await refused(program.problem, sinks, { seenRoot: root, startedAt: begun, endedAt: begun })

  const { network } = options
  const request = { args, file: program.file, env, cwd, root, network, image: image?.tree, allowed: limits, searchPath }
  // The other folders of a sandbox are empty before the action.
  const bytesBefore = limits.diskBytes === undefined ? 0 : await bytesOf([root])
  const process = await options.spawner.start(request, sinks)
  const seenRoot = process.root ?? root
  const startedAt = clock.now()
  let outcome: Run['outcome'] = 'exited'
  let cancelKill: () => void = () => undefined
  const end = (why: Run['outcome'], graceMs: number) => {
    if (outcome !== 'exited') return
    outcome = why
    process.terminate()
    cancelKill = clock.after(graceMs, () => process.kill())
  }
  const cancelled = () => end('killed', Math.min(options.graceMs, cancelGraceMsMax))
  const cancelTimer = clock.after(Math.min(options.timeoutMs, timerMsMax), () => end('timeout', options.graceMs))
  let diskFull = false
  let watchError: unknown
  let watch: DiskWatch | undefined
  options.signal.addEventListener('abort', cancelled, { once: true })
  try {
    if (options.signal.aborted) cancelled()
    if (limits.diskBytes !== undefined)
      watch = watchDisk({
        folders: foldersOf(process),
        bytesMax: bytesBefore + limits.diskBytes,
        clock,
        onFull() {
          diskFull = true
          process.kill()
        },
        onError(error) {
          watchError = error
          process.kill()
        },
      })
    const ended = await process.ended
    if (watchError !== undefined) throw watchError
    const endedAt = clock.now()
    const met = ended.met && { ...ended.met, diskFull }
    const facts = { seenRoot, startedAt, endedAt, met, used: ended.used }
    if (ended.kind === 'killed') return { outcome, exitCode: killedCode, ...facts }
    if (ended.refusal !== undefined) {
      const isHidden = seenRoot !== root && !image && !isInput(program.file)
      const started = { name, args, env, isHidden, image: image && `the image ${image.name}`, at, ...program }
      const problem = startProblem(started, ended.code, ended.refusal)
      return await refused(problem, sinks, facts)
    }
    return { outcome, exitCode: ended.code, ...facts }
  } finally {
    cancelTimer()
    cancelKill()
    watch?.stop()
    options.signal.removeEventListener('abort', cancelled)
  }
}

async function refused(
  problem: Problem,
  { stderr }: Sinks,
  facts: Pick<Run, 'seenRoot' | 'startedAt' | 'endedAt'>,
): Promise<Run> {
  const { exitCode, text } = problem
  stderr.clear()
  await stderr.write(Buffer.from(text))
  return { outcome: 'exited', exitCode, ...facts }
}

/** The image's variables for an action, which has to ask for them: a Command says exactly what it wants (rule 38). */
function imageEnvironment({ image, imageEnvironment: isAsked }: RunOptions): Record<string, string> {
  const pairs = (isAsked && image ? image.environment : []).map((each) => {
    const equals = each.indexOf('=')
    return [each.slice(0, Math.max(0, equals)), each.slice(equals + 1)] as const
  })
  return Object.fromEntries(pairs.filter(([name, value]) => name !== '' && !`${name}${value}`.includes('\0')))
}

/** @throws Failure 'invalid' for a variable that no environment can hold */
export function environmentOf(command: re.Command.$Properties): Record<string, string> {
  const env: Record<string, string> = Object.create(null)
  for (const { name, value } of command.environmentVariables ?? []) {
    if (!name || name.includes('=') || `${name}${value ?? ''}`.includes('\0'))
      throw new Failure('invalid', `${JSON.stringify(name ?? '')} cannot be an environment variable`)
    env[name] = value ?? ''
  }
  return env
}
