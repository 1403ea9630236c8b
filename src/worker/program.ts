import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'

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
 * the PATH of the Command's own environment, and nowhere else.
 * @param cwd the action's working directory, absolute
 */
export function findProgram(name: string, env: Readonly<Record<string, string>>, cwd: string): Program {
  if (name.includes('/')) return { file: resolve(cwd, name) }
  const path = env['PATH']
  if (path === undefined) return { problem: notFound(name, 'the Command sets no PATH to look it up in') }
  let denied = false
  for (const folder of path.split(':')) {
    const file = resolve(cwd, folder, name)
    const found = kindOf(file)
    if (found === 'program') return { file }
    if (found === 'denied') denied = true
  }
  return { problem: denied ? notExecutable(name) : notFound(name, `not found in the Command's PATH (${path})`) }
}

/** What a program that could not be started says. */
export function startProblem(name: string, code: string, message: string): Problem {
  if (code === 'ENOENT') return notFound(name, 'there is no such file in the input root or on the worker')
  if (code === 'EACCES') return notExecutable(name)
  return { exitCode: 126, text: `native worker: cannot run ${JSON.stringify(name)}: ${message}\n` }
}

function notFound(name: string, why: string): Problem {
  return { exitCode: 127, text: `native worker: cannot run ${JSON.stringify(name)}: ${why}\n` }
}

function notExecutable(name: string): Problem {
  return { exitCode: 126, text: `native worker: cannot run ${JSON.stringify(name)}: it is not an executable file\n` }
}

function kindOf(file: string): 'program' | 'denied' | 'absent' {
  try {
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return 'absent'
  } catch {
    // A part of the path is no folder, or may not be entered.
    return 'absent'
  }
  try {
    accessSync(file, constants.X_OK)
    return 'program'
  } catch {
    return 'denied'
  }
}
