import { randomBytes } from 'node:crypto'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../core/failure.ts'
import { commandFile, type ProcessRequest, refusalOf, type SlotShape } from './command-file.ts'
import type { Cell, Enclosure } from './enclosure.ts'
import type { LimitCounts } from './limits/limits.ts'
import { makePipes, type Pipe } from './pipes.ts'
import { type SlotShell, startSlotShell } from './slot-shell.ts'
import type { StreamSink } from './stream.ts'

/** Where a process's output goes. */
export interface Sinks<Sink = StreamSink> {
  readonly stdout: Sink
  readonly stderr: Sink
}

/** The part of them that a slot uses. */
export type ProcessSinks = Sinks<Pick<StreamSink, 'write' | 'small'>>

/** How a process ended. Everything it started is dead by then, and its sinks have all output. */
export type Ended = (
  | {
      readonly kind: 'exited'
      /** 128 + N when signal N ended it. */
      readonly code: number
      /** Set when it could not be started: the shell's message. */
      readonly refusal: string | undefined
    }
  /** By `kill`. */
  | { readonly kind: 'killed' }
) & {
  /** How often it hit its limits, where that is known. */
  readonly met?: LimitCounts
}

/** A process that runs in a slot. */
export interface Process {
  /** Where it sees the action's folder, if one was given. */
  readonly root: string | undefined
  /** Where that folder is on this machine while it runs, provided that the process can be stopped. */
  readonly folder: string
  /** The slot's shell, the ancestor of everything it starts. */
  readonly shell: number
  /** Writes to its standard input, if it is interactive. */
  write(bytes: Uint8Array): void
  /** @throws Failure 'unavailable' when the slot was lost, or a command before or after failed */
  readonly ended: Promise<Ended>
  /** Asks all its processes to end (SIGTERM), including stopped ones. */
  terminate(): void
  /** Kills all its processes at once, and the slot with them. */
  kill(): void
}

/** A shell that runs one process after the other. */
export interface Slot {
  /** False once it has ended. */
  readonly usable: boolean
  /** Its shell, the ancestor of everything it runs. */
  readonly shell: number
  /** Only while nothing is running. */
  run(request: ProcessRequest, sinks: ProcessSinks): Process
  /** Kills running processes, and ends the slot. */
  close(): Promise<void>
}

export interface SlotOptions {
  readonly enclosure: Enclosure
  /** A POSIX shell, and its arguments. */
  readonly shell: readonly string[]
  /** Holds its command file and, for a moment, its pipes. */
  readonly directory: string
  /** The PATH of the shell and of the commands before and after a process. */
  readonly path: string
  /** Shell lines that limit what a process may use. */
  readonly limits?: readonly string[]
}

/** A process that has not ended this long after SIGKILL hangs in the kernel. */
const killedMsMax = 30_000

/**
 * Starts a slot.
 * @throws Failure 'unavailable' when the system does not let it
 */
export async function openSlot(options: SlotOptions): Promise<Slot> {
  const { directory, path } = options
  // Not guessable, so that no action's output is taken for the shell's message.
  const mark = randomBytes(16).toString('hex')
  const commands = join(directory, mark)
  const commandsFile = openSync(commands, 'wx', 0o600)
  const pipes: Pipe[] = []
  const release = () => {
    for (const pipe of pipes) pipe.close()
    closeSync(commandsFile)
    rmSync(commands, { force: true })
    options.enclosure.cell?.remove()
  }
  try {
    pipes.push(...(await makePipes(directory, [`${mark}.out`, `${mark}.err`], path)))
    const { enclosure } = options
    const argv = [...options.shell, '-c', enclosure.script, mark, commands, enclosure.mark]
    const files = pipes.map((pipe) => pipe.writeFile)
    const starting = startSlotShell(enclosure, argv, files, path)
    for (const file of files) closeSync(file)
    const { shell, line } = await starting
    // Shells that export variables of their own, or treat some specially, report that.
    const { streams, prefix, tools } = enclosure
    const plain = line === 'ready ' && !tools
    const shape = { plain, mark, streams, prefix, limits: options.limits ?? [], ...(tools && { tools }) }
    const write = (request: ProcessRequest) => writeWhole(commandsFile, commandFile(request, shape))
    return createSlot({ shell, pipes, shape, write, release, once: enclosure.kind === 'group', cell: enclosure.cell })
  } catch (error) {
    release()
    throw error
  }
}

/** Overwrites without truncating: the shell returns before it would read the rest of a longer text. */
function writeWhole(file: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, at)
}

type Answer =
  | { readonly kind: 'exited'; readonly code: number; readonly spoiled?: boolean }
  | { readonly kind: 'killed' | 'before' | 'lost' | 'stuck' }

const troubles = {
  before: 'a command that prepares an action failed',
  lost: "the shell of the action's slot ended",
  stuck: 'a process of the action cannot be killed',
} as const

interface SlotParts {
  readonly shell: SlotShell
  readonly pipes: readonly Pipe[]
  readonly shape: SlotShape
  /** Writes a request into the command file. */
  readonly write: (request: ProcessRequest) => void
  readonly release: () => void
  /** It runs only one process. */
  readonly once: boolean
  readonly cell: Cell | undefined
}

function createSlot({ shell, pipes, shape, write, release, once, cell }: SlotParts): Slot {
  const [stdout, stderr] = pipes as [Pipe, Pipe]
  let current: { kill(): void } | undefined
  let used = false
  let stuck = false
  let spoiled = false
  const idle = () => {
    shell.onLine = () => undefined
    shell.onEnd = () => undefined
  }
  idle()

  /** A sandbox that cannot take an action in, or let it out, is this machine's fault, and is not used again. */
  const orSpoiled = <T>(move: () => T): T => {
    try {
      return move()
    } catch (cause) {
      spoiled = true
      throw new Failure('unavailable', "an action's folder cannot be moved into its sandbox, or out of it", { cause })
    }
  }

  const start = (given: ProcessRequest, sinks: ProcessSinks): Process => {
    const request = cell ? orSpoiled(() => cell.enter(given, shell.enclosed.shell)) : given
    const answer = Promise.withResolvers<Answer>()
    let left: number | undefined
    let killing: Promise<void> | undefined
    let terminated: Promise<void> | undefined
    shell.onLine = (line) => {
      const [kind = '', code] = line.split(' ')
      if (kind === 'left') left = Number(code)
      else if (kind === 'before') answer.resolve({ kind: 'before' })
      else answer.resolve({ kind: 'exited', code: Number(kind), spoiled: code === 'spoiled' })
    }
    shell.onEnd = () => {
      if (left !== undefined) answer.resolve({ kind: 'exited', code: left })
      else if (killing) answer.resolve({ kind: 'killed' })
      else answer.resolve({ kind: 'lost' })
    }
    try {
      write(request)
    } catch (error) {
      cell?.leave()
      throw error
    }
    used = true
    if (request.interactive) spoiled = true
    stdout.flowInto(sinks.stdout)
    stderr.flowInto(sinks.stderr)
    shell.enclosed.begin()
    shell.say('')
    const wait = async (): Promise<Ended> => {
      const answered = await answer.promise
      // A signal in flight must not reach the next process.
      await terminated
      if (answered.kind !== 'stuck') await (killing ?? shell.enclosed.end())
      await Promise.all([stdout.drain(sinks.stdout), stderr.drain(sinks.stderr)])
      idle()
      current = undefined
      const isClean = orSpoiled(() => cell?.leave() ?? true)
      if (!isClean || (answered.kind === 'exited' && answered.spoiled)) spoiled = true
      return outcome(answered, request, sinks.stderr)
    }
    const self = {
      root: request.root,
      folder: cell?.folder ?? given.root ?? given.cwd,
      shell: shell.enclosed.shell,
      write: shell.write,
      ended: wait(),
      terminate() {
        terminated ??= shell.enclosed.terminate()
      },
      kill() {
        killing ??= shell.enclosed.kill()
        const timer = setTimeout(() => {
          stuck = true
          answer.resolve({ kind: 'stuck' })
        }, killedMsMax).unref()
        answer.promise.then(() => clearTimeout(timer))
      },
    }
    current = self
    return self
  }

  const outcome = (answered: Answer, request: ProcessRequest, stderr: ProcessSinks['stderr']): Ended => {
    if (answered.kind === 'killed') return { kind: 'killed' }
    if (answered.kind === 'exited') {
      const text = Buffer.from(stderr.small ?? []).toString()
      return { kind: 'exited', code: answered.code, refusal: refusalOf(request, shape, answered.code, text) }
    }
    const trouble = shell.trouble
    throw new Failure('unavailable', troubles[answered.kind], trouble ? { output: trouble } : {})
  }

  let closed: Promise<void> | undefined
  const end = async (): Promise<void> => {
    if (current) current.kill()
    else await shell.enclosed.kill()
    await shell.close()
    release()
  }
  return {
    get usable() {
      return !shell.ended && !stuck && !spoiled && !(once && used)
    },
    shell: shell.enclosed.shell,
    run: start,
    close() {
      closed ??= end()
      return closed
    },
  }
}
