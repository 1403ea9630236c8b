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

/** A running server. */
export interface Running {
  /** Its address; undefined for one that only makes calls. */
  readonly address: string | undefined
  /** Can it do its work at the moment? */
  ready(): boolean
  /** Conditions that people should know about but that do not stop the server: whole sentences, printable. */
  notes?(): string[]
  /** Settles if the server ends by itself because another server asked it to; most never do. */
  readonly ended?: Promise<void>
  /** Accepts nothing new; settles when work in progress has finished, or the configured time is over. */
  drain(): Promise<void>
  /** Ends everything, dependents before what they depend on. */
  close(): Promise<void>
}
