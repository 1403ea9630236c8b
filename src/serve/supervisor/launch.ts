import { spawn } from 'node:child_process'
import type { Writable } from 'node:stream'
import { memoryEnvironment } from '../../config/environment.ts'
import { wholeLines } from './log-file.ts'

/** The file descriptor on which a server sees that its supervisor is gone (serve/parent.ts). */
export const parentFd = 3

/** A process that was started. */
export interface Launched {
  /** Null when it could not be started at all. */
  readonly pid: number | null
  /** Settles, and never rejects, when the process is gone: how it ended, in words. */
  readonly ended: Promise<string>
  /** Settles when the process says that it serves; may never do so. */
  readonly ready: Promise<void>
  /** How many signs of life it has given; 0 for one that gives none. */
  signs(): number
  signal(name: 'SIGTERM' | 'SIGKILL'): void
}

/**
 * Starts a program whose stdout and stderr go to `log` by whole lines, and which holds one
 * end of a pipe to this process as its descriptor 3.
 */
export function launch(argv: readonly string[], log: Writable): Launched {
  const [file = '', ...args] = argv
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    // Whoever sets these variables for the supervisor has their own way.
    env: { ...memoryEnvironment, ...process.env },
  })
  child.stdout?.pipe(wholeLines()).pipe(log, { end: false })
  child.stderr?.pipe(wholeLines()).pipe(log, { end: false })
  // The pipe says that we live, and brings the word that the server is ready; one that
  // breaks it is noticed by its end.
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
