import type { Clock } from '../core/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Meters } from './meters.ts'

/** What every part of one scheduler shares: its bounds, its time, and how it speaks. */
export interface House {
  readonly clock: Clock
  readonly log: Log
  readonly meters: Meters
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
  /** How long an action goes on when no client listens any more. */
  readonly abandonMs: number
  readonly newName: () => string
  readonly newLease: () => string
}
