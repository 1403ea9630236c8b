import { randomBytes } from 'node:crypto'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../core/failure.ts'
import { commandFile, type ProcessRequest, type SlotShape } from './command-file.ts'
import type { Cell, Enclosure } from './enclosure.ts'
import { makePipes, type Pipe } from './pipes.ts'
import { meterProcessorTime, type ProcessorMeter } from './processor-time.ts'
import { endedBy, expectAnswer, expectNothing } from './slot-answer.ts'
import type { Ended, Process, ProcessSinks } from './slot-process.ts'
import { type SlotShell, startSlotShell } from './slot-shell.ts'

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
  let meter: ProcessorMeter | undefined
  const release = () => {
    meter?.close()
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
    meter = meterProcessorTime(shell.enclosed.shell)
    const once = enclosure.once === true
    return createSlot({ shell, meter, pipes, shape, write, release, once, cell: enclosure.cell })
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

interface SlotParts {
  readonly shell: SlotShell
  readonly meter: ProcessorMeter
  readonly pipes: readonly Pipe[]
  readonly shape: SlotShape
  /** Writes a request into the command file. */
  readonly write: (request: ProcessRequest) => void
  readonly release: () => void
  /** It runs only one process. */
  readonly once: boolean
  readonly cell: Cell | undefined
}

function createSlot({ shell, meter, pipes, shape, write, release, once, cell }: SlotParts): Slot {
  const [stdout, stderr] = pipes as [Pipe, Pipe]
  let current: { kill(): void } | undefined
  let used = false
  let stuck = false
  let spoiled = false
  expectNothing(shell)

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
    let killing: Promise<void> | undefined
    let terminated: Promise<void> | undefined
    const answer = expectAnswer(shell, () => killing !== undefined)
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
      expectNothing(shell)
      current = undefined
      const isClean = orSpoiled(() => cell?.leave() ?? true)
      if (!isClean || (answered.kind === 'exited' && answered.spoiled)) spoiled = true
      return { ...endedBy(answered, request, shape, sinks.stderr, shell.trouble), used: meter.since() }
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
        void answer.promise.then(() => clearTimeout(timer))
      },
    }
    current = self
    return self
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
