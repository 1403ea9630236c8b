import { countText } from './count-text.ts'
import type { PlatformProperty } from './platform.ts'

/** What a scheduler is doing at one moment, as `native status` and the builds page show it. */
export interface SchedulerView {
  readonly workers: readonly WorkerView[]
  readonly queues: readonly QueueView[]
  /** Those in flight, oldest first; the scheduler bounds them. */
  readonly operations: readonly OperationView[]
  /** All that wait, and all that are in workers' hands. */
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

/** The actions that ask for the same platform. */
export interface QueueView {
  readonly properties: readonly PlatformProperty[]
  readonly waiting: number
  /** Workers that could take them, and how many actions those run at once. */
  readonly workers: number
  readonly slots: number
}

/** An action in flight. */
export interface OperationView {
  readonly name: string
  readonly action: { readonly hash: string; readonly size: number }
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** Empty while it waits. */
  readonly worker: string
  /** A lower value runs sooner. */
  readonly priority: number
  /** Empty if the client does not say. */
  readonly tool: string
  readonly target: string
  readonly mnemonic: string
  /** Why it waits, or where it runs: a text by the scheduler. */
  readonly why: string
}

/** What an action that runs, or has just run, has printed last. */
export interface RunningOutput {
  readonly stdout: RunningText
  readonly stderr: RunningText
  /** Its run has come to its end, and nothing is missing of what it printed last. */
  readonly isComplete: boolean
  /** Why nothing (more) of it is heard just now, in whole sentences for people; undefined while somebody listens. */
  readonly whyUnheard: string | undefined
}

export interface RunningText {
  readonly bytes: Uint8Array
  /** How many bytes of the stream before these are left out. */
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
