import type { Recorder } from '../client/recorder.ts'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Meters } from './meters.ts'

/** How long and how much one scheduler waits for, keeps and allows. */
export interface SchedulerBounds {
  /** How long a worker may be silent about an action before it loses it. */
  readonly leaseMs: number
  /** How often an action is given out again after its worker was lost. */
  readonly requeuesMax: number
  /** How long an action waits for workers that could take it to come (back). */
  readonly workerWaitMs: number
  /** How often a client that waits hears of its operation, at the least. */
  readonly updateEveryMs: number
  /** Actions that may wait. */
  readonly queueMax: number
  /** What all actions in flight, and the clients that follow them, may take in memory. */
  readonly queueBytesMax: number
  /** How long a running action goes on that its last client has cancelled. */
  readonly cancelledMs: number
  /** How long an action goes on after the connection of its last client broke. */
  readonly lostMs: number
  /** Which share of the actions is run a second time and compared, from 0 to 1. */
  readonly repeatShare: number
}

/** What every part of one scheduler shares: its bounds, its time, and how it speaks. */
export interface SchedulerContext extends SchedulerBounds {
  readonly clock: Clock
  readonly log: Log
  readonly meters: Meters
  /** Hears how executions end; absent, nobody does. */
  readonly recorder: Recorder | undefined
  /** Its release, which workers are told. */
  readonly version: string
  readonly newName: () => string
  readonly newLease: () => string
}
