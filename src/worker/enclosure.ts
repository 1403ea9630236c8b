import { errnoOf } from '../core/failure.ts'
import type { ProcessRequest } from './command-file.ts'

/** A way to keep the processes of a slot together, so that nothing of an action outlives it. */
export interface Enclosure {
  /**
   * sandbox: a namespace of processes, and nothing of the machine is seen but what an action may need; namespace and marks:
   * all processes are found; group: those that stay in their process group.
   */
  readonly kind: 'sandbox' | 'namespace' | 'marks' | 'group'
  /** Goes in front of the slot's shell. */
  readonly argv: readonly string[]
  /**
   * Redirects a process's output to the slot's pipes, anew for each where the slot runs several: one
   * that makes them non-blocking must not do so to the next.
   */
  readonly streams: string
  /** What the shell runs, and its second argument (slot-script.ts). */
  readonly script: string
  readonly mark: string
  /** Goes in front of each program that an action starts with. */
  readonly prefix: readonly string[]
  /** What starts the machine's `env` and `nice`, where the action's root is an image, whose own are not to be trusted with it. */
  readonly tools?: (name: 'env' | 'nice') => readonly string[]
  /** What a sandbox does around each process. */
  readonly cell?: Cell
  /**
   * @param pid of the process that was started
   * @throws a system error
   */
  enclosed(pid: number): Enclosed
}

/** A sandbox's place for the folder of one action after the other. */
export interface Cell {
  /** Where the action's folder is meanwhile, as a path of the machine. */
  readonly folder: string
  /**
   * Moves the action's folder in, and gives the request as it is seen from inside.
   * @param shell of the slot
   * @throws a system error
   */
  enter(request: ProcessRequest, shell: number): ProcessRequest
  /**
   * Moves the folder back, once nothing of the action runs any more.
   * @returns false when the slot may not be used again, since something of the action stays in it
   * @throws a system error
   */
  leave(): boolean
  /** The slot has ended: what it leaves goes. */
  remove(): void
}

/** Opens the pipes again, instead of sharing what the shell has open. */
export const reopenedStreams = '>/proc/self/fd/3 2>/proc/self/fd/4'

/** The processes of one slot. */
export interface Enclosed {
  /** The slot's shell. */
  readonly shell: number
  /** Asks all of an action to end (SIGTERM), and wakes what is stopped. Settles when it has asked. */
  terminate(): Promise<void>
  /** Kills the shell and all of an action. Settles when no process is left that it could find. */
  kill(): Promise<void>
  /** A process is about to be started. */
  begin(): void
  /** A process has ended: kills what it left behind, unless the shell has. */
  end(): Promise<void>
}

/** @param pid of a process, or the negative number of a group; one that has ended is not an error */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // EPERM: what is left of a group is another user's.
    if (errnoOf(error) !== 'ESRCH' && errnoOf(error) !== 'EPERM') throw error
  }
}
