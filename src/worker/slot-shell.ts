import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf, Failure, messageOf } from '../core/failure.ts'
import type { Enclosed, Enclosure } from './enclosure.ts'
import { noAnswer } from './program.ts'

/** The shell of a slot. */
export interface SlotShell {
  /** Sends a line. */
  say(line: string): void
  /** Sends bytes to a process that shares the shell's standard input. */
  write(bytes: Uint8Array): void
  /** Called with each line of its answers. */
  onLine: (line: string) => void
  /** Called when it has ended, together with all that ran in its slot. */
  onEnd: () => void
  readonly ended: boolean
  /** The end of its standard error. */
  readonly trouble: string
  /** The processes in its slot. */
  readonly enclosed: Enclosed
  /** Lets it end once it waits for a line. Settles when it has ended, or after 10 s. */
  close(): Promise<void>
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>
type Watched = Omit<SlotShell, 'enclosed'> & { enclosed: Enclosed | undefined }

const readyMsMax = 10_000
const troubleCharsMax = 2000
const goneMsMax = 10_000
const goneEveryMs = 5
/** An answer is a few characters. */
const lineCharsMax = 1000

/**
 * Starts a shell and waits for its first line.
 * @param argv the shell and its arguments
 * @param files its file descriptors from 3 on
 * @returns the shell, and its first line
 * @throws Failure 'unavailable' when it does not start, with what was printed
 */
export async function startSlotShell(
  enclosure: Enclosure,
  argv: readonly string[],
  files: readonly number[],
  path: string,
): Promise<{ shell: SlotShell; line: string }> {
  const [program = '', ...args] = [...enclosure.argv, ...argv]
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe', ...files, 'pipe'],
    env: { PATH: path },
    // It must not keep a folder from being unmounted.
    cwd: '/',
    // A terminal's Ctrl-C should only reach the worker, which drains and then ends its slots.
    detached: true,
  }) as Child
  const first = Promise.withResolvers<string>()
  const shell = watch(child)
  shell.onLine = first.resolve
  shell.onEnd = () => first.reject(new Error(shell.trouble.trim() || 'it ended at once'))
  const timer = setTimeout(() => first.reject(new Error(noAnswer)), readyMsMax)
  try {
    const line = await first.promise
    return { shell: Object.assign(shell, { enclosed: enclosure.enclosed(child.pid ?? 0) }), line }
  } catch (cause) {
    child.kill('SIGKILL')
    const output = shell.trouble
    throw new Failure('unavailable', `a process for actions could not be started: ${messageOf(cause)}`, {
      cause,
      ...(output && { output }),
    })
  } finally {
    clearTimeout(timer)
  }
}

function watch(child: Child): Watched {
  const life = (child.stdio as readonly unknown[])[5] as Writable
  let ended = false
  let trouble = ''
  let rest = ''
  const closed = once(child, 'close').then(() => untilGone(shell.enclosed?.shell))
  const shell: Watched = {
    enclosed: undefined,
    onLine: () => undefined,
    onEnd: () => undefined,
    get ended() {
      return ended
    },
    get trouble() {
      return trouble
    },
    write: (bytes: Uint8Array) => void child.stdin.write(bytes),
    say: (line: string) => void child.stdin.write(`${line}\n`),
    async close() {
      child.stdin.end()
      // Processes that hang in the kernel must not keep the worker from closing.
      if (!ended) await Promise.race([closed, delay(goneMsMax, undefined, { ref: false })])
    },
  }
  // A broken pipe is noticed when the shell ends.
  child.stdin.on('error', () => undefined)
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    trouble = (trouble + text).slice(-troubleCharsMax)
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = (lines.pop() ?? '').slice(0, lineCharsMax)
    for (const line of lines) shell.onLine(line)
  })
  const end = () => {
    if (ended) return
    ended = true
    shell.onEnd()
  }
  // Closing this pipe tells processes that outlive the shell to end.
  child.once('exit', () => life.destroy())
  child.once('error', (error) => {
    trouble ||= error.message
    end()
  })
  closed.then(end, end)
  return shell
}

/** The program that started the shell may have been killed before it; the kernel then ends the shell, too. */
async function untilGone(pid: number | undefined): Promise<void> {
  for (let waitedMs = 0; waitedMs < goneMsMax && pid !== undefined && isThere(pid); waitedMs += goneEveryMs)
    await delay(goneEveryMs)
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errnoOf(error) === 'EPERM'
  }
}
