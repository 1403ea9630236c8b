import type { CacheUsage, Stored } from '../core/cache-usage.ts'
import type { Addresses } from './addresses.ts'

export type DriverKind = 'process' | 'kind'

export type ClusterState = 'absent' | 'creating' | 'up' | 'deployed' | 'degraded' | 'failed'

/** One shape for both drivers; `native status --json` prints it. */
export interface ClusterStatus {
  readonly name: string
  readonly driver: DriverKind
  /** The release of the asking program. */
  readonly version: string
  readonly state: ClusterState
  readonly servers: readonly ServerStatus[]
  readonly addresses: Addresses | null
  /** The other machine's cluster that this machine has joined; null where it has a cluster of its own. */
  readonly joined: JoinedCluster | null
  /** Workers of other machines; null when the scheduler does not report them. */
  readonly otherWorkers: readonly OtherWorker[] | null
  /** Null when the cache does not report it. */
  readonly cache: CacheUsage | null
  /** Input files that the workers keep, in total over those that answer; null when none reports it. */
  readonly workerCaches: (Stored & { readonly workers: number }) | null
  /** How many workers run actions in a sandbox; null when none reports it. */
  readonly sandboxedWorkers: number | null
  /** Null when the scheduler does not report it. */
  readonly load: SchedulerLoad | null
  /** What keeps it from being healthy, in plain words. */
  readonly problems: readonly string[]
  /** How the cluster comes up when its user logs in; null where it does not. */
  readonly atLogin: LoginStart | null
  /** The folder with what `down` was asked to keep; null when nothing was kept, and while there is a cluster. */
  readonly keptData: string | null
}

export interface JoinedCluster {
  /** `grpcs://host:port` */
  readonly scheduler: string
  readonly cas: string
  /** The worker's name there. */
  readonly worker: string
}

/** A worker that has joined, as the scheduler sees it. */
export interface OtherWorker {
  readonly name: string
  /** How many actions it runs at most, and how many now. */
  readonly slots: number
  readonly busy: number
  /** It accepts no more actions, and leaves once the current ones are done. */
  readonly leaving: boolean
  readonly version: string
}

/** What the scheduler is doing now, and has done since it started. */
export interface SchedulerLoad {
  /** Actions queued for a worker. */
  readonly queued: number
  /** Actions that workers hold. */
  readonly running: number
  /** Connected workers, and how many actions they can run at once. */
  readonly workers: number
  readonly slots: number
  readonly sinceStart: {
    /** Actions that workers ended, whatever the outcome, and executions that were answered from the cache. */
    readonly ended: number
    readonly cached: number
  }
}

export interface LoginStart {
  /** The file of systemd's or launchd's unit. */
  readonly unit: string
  /**
   * disabled: it exists but is not run; stale: it is for a different program or different folders than this command's.
   */
  readonly state: 'enabled' | 'disabled' | 'stale'
}

export interface ServerStatus {
  /** cas, scheduler, worker-1 and so on, console. */
  readonly name: string
  readonly role: 'cas' | 'scheduler' | 'worker' | 'console'
  readonly state: 'starting' | 'ready' | 'unresponsive' | 'draining' | 'crashed' | 'stopped'
  readonly address: string | null
  readonly metrics: string | null
  /** A process id or a pod's name. */
  readonly id: string | null
  readonly restarts: number
  /** Its start, in milliseconds since 1970. */
  readonly since: number | null
  /** The release that it reports; null while it does not answer. */
  readonly version: string | null
  /** What it reports about itself that does not keep it from working, in whole sentences. */
  readonly notes: readonly string[]
}
