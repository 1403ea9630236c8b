import type { Clock } from '../core/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** What every server is given. */
export interface ServeContext {
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
  readonly version: string
}

/** A server at work. */
export interface Running {
  /** Where it answers; undefined for one that only calls others. */
  readonly address: string | undefined
  /** Is it able to do its work just now? */
  ready(): boolean
  /** What people should know of it that does not keep it from its work: whole sentences, printable. */
  notes?(): string[]
  /** Settles when it ends by itself, because another server asked it to; most never do. */
  readonly ended?: Promise<void>
  /** Takes nothing new; settles when what is under way has ended, or the configured time is over. */
  drain(): Promise<void>
  /** Ends everything, siblings before what they depend on. */
  close(): Promise<void>
}
