import type { Recorder } from '../client/recorder.ts'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Meters } from './meters.ts'

/** The time and size limits of one scheduler. */
export interface SchedulerBounds {
  /** How long a worker may be silent about an action before it loses its lease. */
  readonly leaseMs: number
  /** How often an action is queued again after its worker was lost. */
  readonly requeuesMax: number
  /** How long an action waits for a suitable worker to connect or come back. */
  readonly workerWaitMs: number
  /** The longest interval between updates to a client that waits for its operation. */
  readonly updateEveryMs: number
  /** The most actions that may be queued. */
  readonly queueMax: number
  /** How much memory all actions in flight, and the clients that follow them, may take. */
  readonly queueBytesMax: number
  /** How long a running action continues after its last client has cancelled. */
  readonly cancelledMs: number
  /** How long an action continues after its last client's connection broke. */
  readonly lostMs: number
  /** The share of actions that are run a second time and compared, from 0 to 1. */
  readonly repeatShare: number
}

/** What all parts of one scheduler share: its limits, its clock, and how it reports. */
export interface SchedulerContext extends SchedulerBounds {
  readonly clock: Clock
  readonly log: Log
  readonly meters: Meters
  /** Is told how executions end; if absent, nobody is. */
  readonly recorder: Recorder | undefined
  /** Its release, which it tells workers. */
  readonly version: string
  readonly newName: () => string
  readonly newLease: () => string
}
