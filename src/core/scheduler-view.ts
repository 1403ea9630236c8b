import { countText } from './count-text.ts'
import type { PlatformProperty } from './platform.ts'

/** What a scheduler is doing at one moment, as shown by `native status` and the builds page. */
export interface SchedulerView {
  readonly workers: readonly WorkerView[]
  readonly queues: readonly QueueView[]
  /** In flight, oldest first; the scheduler limits their number. */
  readonly operations: readonly OperationView[]
  /** All that are queued, and all that are assigned to workers. */
  readonly queued: number
  readonly executing: number
  /** It accepts no more actions. */
  readonly draining: boolean
}

/** A worker as the scheduler sees it. */
export interface WorkerView {
  readonly name: string
  readonly version: string
  readonly slots: number
  readonly busy: number
  readonly properties: readonly PlatformProperty[]
  /** Milliseconds since 1970. */
  readonly connectedAt: number
  /** It accepts no more actions and disconnects once its own are done. */
  readonly leaving: boolean
}

/** The actions that require the same platform. */
export interface QueueView {
  readonly properties: readonly PlatformProperty[]
  readonly waiting: number
  /** Workers that could run them, and how many actions those run at once. */
  readonly workers: number
  readonly slots: number
}

/** An action in flight. */
export interface OperationView {
  readonly name: string
  readonly action: { readonly hash: string; readonly size: number }
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** Empty while it is queued. */
  readonly worker: string
  /** A lower value runs sooner. */
  readonly priority: number
  /** Empty if the client does not say. */
  readonly tool: string
  readonly target: string
  readonly mnemonic: string
  /** Why it is queued, or where it runs: text from the scheduler. */
  readonly why: string
}

/** The latest output of an action that is running or has just run. */
export interface RunningOutput {
  readonly stdout: RunningText
  readonly stderr: RunningText
  /** The run has ended, and its last output is complete. */
  readonly isComplete: boolean
  /** Why no (further) output arrives right now, in complete sentences for people; undefined while somebody listens. */
  readonly whyUnheard: string | undefined
}

export interface RunningText {
  readonly bytes: Uint8Array
  /** Bytes of the stream before these. */
  readonly before: number
}

/** A scheduler's load in numbers. */
export interface Load {
  readonly queued: number
  readonly running: number
  readonly workers: number
  readonly slots: number
}

/** `2 waiting, 4 of 8 slots busy on 2 workers`. */
export function loadText({ queued, running, slots, workers }: Load): string {
  const waiting = queued === 0 ? 'none waiting' : `${queued.toLocaleString('en')} waiting`
  return `${waiting}, ${running} of ${countText(slots, 'slot')} busy on ${countText(workers, 'worker')}`
}
