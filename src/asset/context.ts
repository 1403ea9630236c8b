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

/** What the service needs. */
export interface AssetOptions {
  readonly cache: AssetCache
  /** The names of this server's one instance. */
  readonly instances: InstanceNames
  /** Whether anything is fetched from origins; false: only pushed content is available. */
  readonly fetchEnabled: boolean
  /** Hosts in private networks that may be contacted (host-pattern.ts). */
  readonly allow: readonly string[]
  /** For a retrieval, in milliseconds: the default if a request names no timeout, and the maximum. */
  readonly timeouts: { readonly defaultMs: number; readonly maxMs: number }
  /** PEM certificates that are trusted in addition to the usual ones. */
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
  /** Archives being fetched and turned into directories. */
  readonly unpacking: Flights<Retrieved>
  /** Bounds the archives being turned into directories, whose names are held in memory meanwhile. */
  readonly unpackSemaphore: Semaphore
  readonly retriever: Retriever
  readonly counts: Counts
}
