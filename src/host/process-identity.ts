import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { errnoOf } from '../core/failure.ts'

/** A process as something that a later one with the same id is not. */
export interface ProcessIdentity {
  readonly pid: number
  /** When it started, as the operating system writes it; the boot is part of it where it can be. */
  readonly start: string
}

const run = promisify(execFile)
const psMsMax = 5_000

/** The identity of a running process; undefined when there is none of this id. */
export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  const start = process.platform === 'linux' ? await linuxStart(pid) : await psField(pid, 'lstart=')
  return start === undefined ? undefined : { pid, start }
}

/** Does this very process still run? */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identityOf(identity.pid))?.start === identity.start
}

/** The command line of a process, its arguments apart by spaces; undefined when it is gone. */
export async function commandLineOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return psField(pid, 'command=')
  const text = await readProc(`/proc/${pid}/cmdline`)
  return text ? text.split('\0').join(' ').trim() : undefined
}

/** Sends a signal; a process that is gone already is not an error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error
  }
}

/** Field 22 of /proc/PID/stat, counted after the name, which may hold anything; a zombie is gone. */
async function linuxStart(pid: number): Promise<string | undefined> {
  const stat = await readProc(`/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (!fields || fields[0] === 'Z' || fields[19] === undefined) return undefined
  const boot = await readProc('/proc/sys/kernel/random/boot_id')
  return `${boot?.trim() ?? ''}/${fields[19]}`
}

async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined
    throw error
  }
}

async function psField(pid: number, field: string): Promise<string | undefined> {
  try {
    const { stdout } = await run('ps', ['-ww', '-o', field, '-p', String(pid)], {
      timeout: psMsMax,
      env: { LC_ALL: 'C' },
    })
    return stdout.trim() || undefined
  } catch (error) {
    // ps ends with 1 when no process matches.
    if (error instanceof Error && 'code' in error && error.code === 1) return undefined
    throw error
  }
}
