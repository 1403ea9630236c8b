import { errnoOf } from '../core/failure.ts'
import type { ProcessRequest } from './command-file.ts'

/** A way to contain the processes of a slot, so that nothing of an action outlives it. */
export interface Enclosure {
  /**
   * sandbox: a PID namespace, in which only what an action may need of the machine is visible; namespace and marks: all
   * processes are found; group: only those that stay in their process group; seatbelt: the same on macOS, where the
   * kernel lets them reach only what an action may need.
   */
  readonly kind: 'sandbox' | 'seatbelt' | 'namespace' | 'marks' | 'group'
  /** Its slot runs only one process. */
  readonly once?: boolean
  /** Prepended to the slot's shell. */
  readonly argv: readonly string[]
  /**
   * Redirects a process's output to the slot's pipes, reopened for each process where the slot runs several: one that
   * makes them non-blocking must not affect the next.
   */
  readonly streams: string
  /** What the shell runs, and its second argument (slot-script.ts). */
  readonly script: string
  readonly mark: string
  /** Prepended to each program that an action starts with. */
  readonly prefix: readonly string[]
  /**
   * How to start the machine's `env` and `nice` where the plain names will not do, as in an image, whose own cannot be
   * trusted. `env` then sets an action's variables, not the shell.
   */
  readonly tools?: (name: 'env' | 'nice') => readonly string[]
  /** What a sandbox does around each process. */
  readonly cell?: Cell
  /**
   * @param pid of the process that was started
   * @throws a system error
   */
  enclosed(pid: number): Enclosed
}

/** The place in a sandbox for the folder of one action after the other. */
export interface Cell {
  /** Where the action's folder is meanwhile, as a path on the machine; if absent, where it was. */
  readonly folder?: string
  /**
   * Moves the action's folder in, if it moves, and returns the request with paths as seen from inside.
   * @param shell of the slot
   * @throws a system error
   */
  enter(request: ProcessRequest, shell: number): ProcessRequest
  /**
   * Moves the folder back, once nothing of the action is running.
   * @returns false when the slot must not be used again because something of the action remains in it
   * @throws a system error
   */
  leave(): boolean
  /** The slot has ended: removes what it leaves. */
  remove(): void
}

/** Does a way to contain processes hide from an action what it must not see? */
export function isSandbox(kind: Enclosure['kind']): boolean {
  return kind === 'sandbox' || kind === 'seatbelt'
}

/** Reopens the pipes instead of sharing the shell's open ones. */
export const reopenedStreams = '>/proc/self/fd/3 2>/proc/self/fd/4'

/** The processes of one slot. */
export interface Enclosed {
  /** The slot's shell. */
  readonly shell: number
  /** Asks all processes of the action to end (SIGTERM), and resumes stopped ones. Settles when all have been asked. */
  terminate(): Promise<void>
  /** Kills the shell and all processes of the action. Settles when no process is left that it could find. */
  kill(): Promise<void>
  /** A process is about to be started. */
  begin(): void
  /** A process has ended: kills what it left behind, unless the shell does that. */
  end(): Promise<void>
}

/** @param pid of a process, or the negative number of a group; one that has ended is not an error */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // EPERM: the rest of the group belongs to another user.
    if (errnoOf(error) !== 'ESRCH' && errnoOf(error) !== 'EPERM') throw error
  }
}
