import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Failure } from '../core/failure.ts'

/**
 * Where a program without a slash is looked up when the Command sets no PATH: the usual folders.
 * The action does not see it.
 */
export const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Which file a command means, or why there is none. */
export type Program = { readonly file: string } | { readonly problem: Problem }

/** How a shell would have put it: an exit code, and a line for standard error. */
export interface Problem {
  readonly exitCode: 126 | 127
  readonly text: string
}

/**
 * Finds the program that `arguments[0]` names (rule 38; Command.arguments, API 2.3): with a
 * slash it is relative to the working directory, or absolute; without one it is looked up in
 * the PATH of the Command's own environment, or in `searchPath` where that sets none.
 * @param cwd the action's working directory, absolute
 * @param at where a path that the action sees is on this machine, if anywhere
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

/** How the C library says in a shell's message that the machine has no room, in the words of glibc and musl, or Node by a code. */
const noRoom =
  /cannot (allocate memory|fork)|out of memory|resource temporarily unavailable|too many open files|no file descriptors available|no space left|\b(EAGAIN|ENOMEM|EMFILE|ENFILE)\b/i
/** The error text for a slot's shell that takes too long to start. */
export const noAnswer = 'it does not answer'
/** What Linux takes as one argument or variable, the closing NUL counted. */
const wordBytesMax = 128 * 1024
/** What any system takes at least of all of them; with a usual stack, Linux takes 2 MiB. */
const wordsBytesSure = 256 * 1024

/** Does this say that the machine had no room for a process, or no time for it? */
export function lacksRoom(text: string): boolean {
  return noRoom.test(text) || text.includes(noAnswer)
}

/**
 * What a program that could not be started says.
 * @param refusal what the shell said about it; of a foreign program there is nothing better
 * @throws Failure 'invalid' when a process cannot be given so much; 'unavailable' when the machine
 *   has no room for one
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

/** A program that was found, and all that it was to be given. */
interface StartedProgram {
  readonly name: string
  /** Its absolute path. */
  readonly file: string
  /** It ran in a sandbox, and the program is not one of its inputs. */
  readonly isHidden: boolean
  /** The image that it ran in, and where a path that it saw is on this machine. */
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
    // A part of the path is not a folder, or may not be entered.
    return 'absent'
  }
  try {
    accessSync(file, constants.X_OK)
    return 'program'
  } catch {
    return 'denied'
  }
}
