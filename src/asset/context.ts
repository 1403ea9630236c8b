import type { Clock } from '../core/clock.ts'
import type { InstanceNames } from '../core/instance.ts'
import type { Semaphore } from '../core/semaphore.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { AssetCache } from './cache.ts'
import type { Retrieved } from './content.ts'
import type { Counts } from './counts.ts'
import type { Flights } from './flights.ts'
import type { Names } from './names.ts'
import type { Retriever } from './retrieve.ts'

/** What the service is made of. */
export interface AssetOptions {
  readonly cache: AssetCache
  /** The instance names that mean this server's one instance. */
  readonly instances: InstanceNames
  /** Whether anything is fetched from an origin; false: what was pushed is all there is. */
  readonly fetchEnabled: boolean
  /** Hosts of private networks that may be asked (host-pattern.ts). */
  readonly allow: readonly string[]
  /** For a retrieval: where a request names no time-out, and at most. In milliseconds. */
  readonly timeouts: { readonly defaultMs: number; readonly maxMs: number }
  /** Certificates in PEM that are trusted beside the usual ones. */
  readonly ca?: string | undefined
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
}

/** What the handlers share. */
export interface AssetContext
  extends Pick<AssetOptions, 'cache' | 'instances' | 'fetchEnabled' | 'timeouts' | 'clock'> {
  readonly names: Names
  readonly flights: Flights<Retrieved>
  /** Archives that are fetched and made directories. */
  readonly unpacking: Flights<Retrieved>
  /** Who may make a directory of an archive, whose names are in memory meanwhile. */
  readonly unpackSemaphore: Semaphore
  readonly retriever: Retriever
  readonly counts: Counts
}
