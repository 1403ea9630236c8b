import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Failure } from '../core/failure.ts'

/**
 * Where a program name without a slash is looked up when the Command sets no PATH: the usual folders. The action does
 * not see it.
 */
export const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The file that a command refers to, or why there is none. */
export type Program = { readonly file: string } | { readonly problem: Problem }

/** What a shell would have reported: an exit code, and a line for standard error. */
export interface Problem {
  readonly exitCode: 126 | 127
  readonly text: string
}

/**
 * Finds the program that `arguments[0]` names (rule 38; Command.arguments, API 2.3): with a slash it is relative to the
 * working directory, or absolute; without one it is looked up in the PATH of the Command's own environment, or in
 * `searchPath` where that sets none.
 * @param cwd the action's working directory, absolute
 * @param at maps a path that the action sees to one on this machine, if there is one
 */
export function findProgram(
  name: string,
  env: Readonly<Record<string, string>>,
  cwd: string,
  at: (path: string) => string | undefined = (path) => path,
): Program {
  if (name.includes('/')) return { file: resolve(cwd, name) }
  const path = env['PATH']
  let denied = false
  for (const folder of (path ?? searchPath).split(':')) {
    const file = resolve(cwd, folder, name)
    const found = kindOf(at(file))
    if (found === 'program') return { file }
    if (found === 'denied') denied = true
  }
  if (denied) return { problem: notExecutable(name) }
  const where =
    path === undefined
      ? `the usual folders, as the Command sets no PATH (${searchPath})`
      : `the Command's PATH (${path})`
  return { problem: notFound(name, `not found in ${where}`) }
}

/**
 * How a shell's message says that the machine lacks resources, in the words of glibc and musl, or as Node's error code.
 */
const noRoom =
  /cannot (allocate memory|fork)|out of memory|resource temporarily unavailable|too many open files|no file descriptors available|no space left|\b(EAGAIN|ENOMEM|EMFILE|ENFILE)\b/i
/** The error text for a slot's shell that takes too long to start. */
export const noAnswer = 'it does not answer'
/** The most that Linux takes as one argument or variable, including the closing NUL. */
const wordBytesMax = 128 * 1024
/** What every system takes for all of them together; with a usual stack limit, Linux takes 2 MiB. */
const wordsBytesSure = 256 * 1024

/** Does this say that the machine lacked resources to start a process, or took too long? */
export function lacksRoom(text: string): boolean {
  return noRoom.test(text) || text.includes(noAnswer)
}

/**
 * The problem of a program that could not be started.
 * @param refusal what the shell said about it; for a foreign program there is nothing better
 * @throws Failure 'invalid' when the arguments and variables are too large for a process; 'unavailable' when the
 *   machine lacks resources for one
 */
export function startProblem(program: StartedProgram, exitCode: number, refusal: string): Problem {
  const { name, file, isHidden, image, at } = program
  const place = image ?? 'the worker'
  const kind = kindOf(at(file))
  if (kind === 'absent')
    return notFound(name, `there is no such file in the input root or ${image === undefined ? 'on' : 'in'} ${place}`)
  if (kind === 'denied') return notExecutable(name)
  if (noRoom.test(refusal))
    throw new Failure('unavailable', 'the worker lacks the resources to start a process', { output: refusal })
  assertFits(program)
  if (exitCode === 127 && isHidden)
    return notFound(
      name,
      `${file} is on the worker, but its sandbox does not show it, or what it is run by, to actions`,
    )
  if (exitCode === 127)
    return notFound(
      name,
      `the interpreter or loader that it names is not ${image === undefined ? 'on' : 'in'} ${place}`,
    )
  return { exitCode: 126, text: line(name, refusal) }
}

/** A program that was found, and everything it was to be started with. */
interface StartedProgram {
  readonly name: string
  /** Its absolute path. */
  readonly file: string
  /** It was to run in a sandbox, and is not one of the inputs. */
  readonly isHidden: boolean
  /** The image that it was to run in, and how paths seen there map to this machine. */
  readonly image: string | undefined
  readonly at: (path: string) => string | undefined
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

function assertFits({ args, env }: StartedProgram): void {
  const strings = [...args, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)]
  const sizes = strings.map((string) => Buffer.byteLength(string) + 1)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total <= wordsBytesSure && Math.max(...sizes) <= wordBytesMax) return
  throw new Failure('invalid', 'the arguments and environment variables of the Command are too long for a process', {
    where: `${total} bytes, the longest ${Math.max(...sizes)} (Linux takes 131072 in one, and usually 2097152 in all)`,
    next: ['Put them into a file of the input root, as a response file or a parameter file.'],
  })
}

function notFound(name: string, why: string): Problem {
  return { exitCode: 127, text: line(name, why) }
}

function notExecutable(name: string): Problem {
  return { exitCode: 126, text: line(name, 'it is not an executable file') }
}

function line(name: string, why: string): string {
  return `native worker: cannot run ${JSON.stringify(name)}: ${why}\n`
}

function kindOf(file: string | undefined): 'program' | 'denied' | 'absent' {
  if (file === undefined) return 'absent'
  try {
    const stats = statSync(file, { throwIfNoEntry: false })
    if (!stats) return 'absent'
    if (!stats.isFile()) return 'denied'
  } catch {
    // A component of the path is not a folder, or must not be entered.
    return 'absent'
  }
  try {
    accessSync(file, constants.X_OK)
    return 'program'
  } catch {
    return 'denied'
  }
}
