import { spawn } from 'node:child_process'
import type { Writable } from 'node:stream'
import { memoryEnvironment } from '../../config/environment.ts'
import { wholeLines } from './log-file.ts'

/** The file descriptor on which a server notices that its supervisor is gone (serve/parent.ts). */
export const parentFd = 3

/** A launched process. */
export interface Launched {
  /** Null when it could not be started at all. */
  readonly pid: number | null
  /** Settles, and never rejects, when the process is gone: how it ended, in words. */
  readonly ended: Promise<string>
  /** Settles when the process reports that it is ready; it may never do so. */
  readonly ready: Promise<void>
  /** The number of heartbeats so far; 0 for a process that sends none. */
  signs(): number
  signal(name: 'SIGTERM' | 'SIGKILL'): void
}

/**
 * Starts a program whose stdout and stderr go to `log` line by line, and which has one end of a pipe to this process as
 * descriptor 3.
 */
export function launch(argv: readonly string[], log: Writable): Launched {
  const [file = '', ...args] = argv
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    // Variables set for the supervisor take precedence.
    env: { ...memoryEnvironment, ...process.env },
  })
  child.stdout?.pipe(wholeLines()).pipe(log, { end: false })
  child.stderr?.pipe(wholeLines()).pipe(log, { end: false })
  // The pipe shows that we are alive, and carries the server's report that it is ready; a server that breaks it is
  // noticed by its exit.
  const pipe = child.stdio[parentFd]
  pipe?.on('error', () => undefined)
  const ready = new Promise<void>((resolve) => pipe?.once('data', () => resolve()))
  let signs = 0
  pipe?.on('data', (words: Buffer) => {
    if (words.includes('alive')) signs += 1
  })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`it cannot be started: ${error.message}`))
    child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`))
  })
  return { pid: child.pid ?? null, ended, ready, signs: () => signs, signal: (name) => void child.kill(name) }
}
