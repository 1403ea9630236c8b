import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { errnoOf } from '../core/failure.ts'
import { ifThere } from './files.ts'

/** Identifies a process even if its id is reused later. */
export interface ProcessIdentity {
  readonly pid: number
  /** When it started, as the operating system writes it; includes the boot id if available. */
  readonly start: string
}

const run = promisify(execFile)
const psMsMax = 5_000

/** The identity of a running process; undefined if there is none with this id. */
export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  const start = process.platform === 'linux' ? await linuxStart(pid) : await psField(pid, 'lstart=')
  return start === undefined ? undefined : { pid, start }
}

/** Is this very process still running? */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identityOf(identity.pid))?.start === identity.start
}

/** A process's command line, its arguments separated by spaces; undefined if it is gone. */
export async function commandLineOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return psField(pid, 'command=')
  const text = await readProc(`/proc/${pid}/cmdline`)
  return text ? text.split('\0').join(' ').trim() : undefined
}

/** Sends a signal; it is no error if the process is already gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error
  }
}

/** Field 22 of /proc/PID/stat, counted after the name, which may contain anything; a zombie is gone. */
async function linuxStart(pid: number): Promise<string | undefined> {
  const stat = await readProc(`/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (!fields || fields[0] === 'Z' || fields[19] === undefined) return undefined
  const boot = await readProc('/proc/sys/kernel/random/boot_id')
  return `${boot?.trim() ?? ''}/${fields[19]}`
}

function readProc(path: string): Promise<string | undefined> {
  return ifThere(readFile(path, 'utf8'), 'ESRCH')
}

async function psField(pid: number, field: string): Promise<string | undefined> {
  try {
    const { stdout } = await run('ps', ['-ww', '-o', field, '-p', String(pid)], {
      timeout: psMsMax,
      env: { LC_ALL: 'C' },
    })
    return stdout.trim() || undefined
  } catch (error) {
    // ps exits with 1 if no process matches.
    if (error instanceof Error && 'code' in error && error.code === 1) return undefined
    throw error
  }
}
