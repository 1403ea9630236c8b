import type { ResourceUsage } from '../wire/resource-usage.ts'
import type { LimitCounts } from './limits/limits.ts'
import type { StreamSink } from './stream.ts'

/** Where a process's output goes. */
export interface Sinks<Sink = StreamSink> {
  readonly stdout: Sink
  readonly stderr: Sink
}

/** The part of them that a slot uses. */
export type ProcessSinks = Sinks<Pick<StreamSink, 'write' | 'small'>>

/** How a process ended. */
export type Ending =
  | {
      readonly kind: 'exited'
      /** 128 + N when signal N ended it. */
      readonly code: number
      /** Set when it could not be started: the shell's message. */
      readonly refusal: string | undefined
    }
  /** By `kill`. */
  | { readonly kind: 'killed' }

/** A process that has ended. Everything it started is dead by then, and its sinks have all output. */
export type Ended = Ending & {
  /** How often it hit its limits, where that is known. */
  readonly met?: LimitCounts
  /** What all its processes have used, as far as that is known. */
  readonly used: ResourceUsage
}

/** A process that runs in a slot. */
export interface Process {
  /** Where it sees the action's folder, if one was given. */
  readonly root: string | undefined
  /** Where that folder is on this machine while it runs, provided that the process can be stopped. */
  readonly folder: string
  /** The slot's shell, the ancestor of everything it starts. */
  readonly shell: number
  /** Writes to its standard input, if it is interactive. */
  write(bytes: Uint8Array): void
  /** @throws Failure 'unavailable' when the slot was lost, or a command before or after failed */
  readonly ended: Promise<Ended>
  /** Asks all its processes to end (SIGTERM), including stopped ones. */
  terminate(): void
  /** Kills all its processes at once, and the slot with them. */
  kill(): void
}
