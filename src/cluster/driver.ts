import type { PlatformProperty } from '../core/platform.ts'

/**
 * What a place for the servers must be able to do. The CLI knows no more of a cluster than
 * this; a driver prints nothing and ends no process. `up`, `deploy` and `down` are lists of
 * named steps that can be run again: a step that finds its work done says so.
 */
export interface Driver {
  readonly kind: DriverKind
  up(options: UpOptions): Step[]
  deploy(options: DeployOptions): Step[]
  down(options: DownOptions): Step[]
  status(): Promise<ClusterStatus>
  /**
   * The addresses that clients use; each has just answered GetCapabilities.
   * @throws Failure 'not-found' without a cluster, 'unavailable' when a server does not answer
   */
  addresses(): Promise<Addresses>
  /** Log lines of the servers, oldest first; with follow, until the signal aborts. */
  logs(options: LogOptions): AsyncIterable<LogLine>
}

export type DriverKind = 'process' | 'kind'

/** One named piece of work. */
export interface Step {
  readonly title: string
  run(report: StepReport): Promise<void>
  /** Takes back what run did, in full or in part, when it or a later step fails. */
  undo?(): Promise<void>
}

/** How a running step speaks: the CLI shows it, a driver only says it. */
export interface StepReport {
  readonly signal: AbortSignal
  /** What it is doing now, or what it found ("already there"). */
  say(text: string): void
}

export interface UpOptions {
  /** Keep what was made when a step fails, to look at it. */
  readonly retain: boolean
}

export interface DeployOptions {
  readonly workers?: number
  readonly slots?: number
  readonly cacheSizeBytes?: number
  readonly properties?: readonly PlatformProperty[]
  /** A YAML file with any of the above and server settings (config/deployment.ts). */
  readonly configFile?: string
}

export interface DownOptions {
  /** Keep the cached data, remove the rest. */
  readonly keepData: boolean
}

export interface Endpoint {
  /** `host:port`, or a bare host where the port is 80. */
  readonly address: string
  /** `grpc://address`, to paste. */
  readonly url: string
}

export interface Addresses {
  readonly cache: Endpoint
  readonly scheduler: Endpoint
}

export type ClusterState = 'absent' | 'creating' | 'up' | 'deployed' | 'degraded' | 'failed'

/** One shape for both drivers; `native status --json` prints it. */
export interface ClusterStatus {
  readonly name: string
  readonly driver: DriverKind
  readonly state: ClusterState
  readonly servers: readonly ServerStatus[]
  readonly addresses: Addresses | null
  /** What keeps it from being healthy, in plain words. */
  readonly problems: readonly string[]
}

export interface ServerStatus {
  /** cas, scheduler, worker-1 and so on. */
  readonly name: string
  readonly role: 'cas' | 'scheduler' | 'worker'
  readonly state: 'starting' | 'ready' | 'draining' | 'crashed' | 'stopped'
  readonly address: string | null
  readonly metrics: string | null
  /** A process id or a pod's name. */
  readonly id: string | null
  readonly restarts: number
  /** Milliseconds since 1970. */
  readonly since: number | null
}

export interface LogOptions {
  /** Names as in ServerStatus; empty means all. */
  readonly servers: readonly string[]
  readonly follow: boolean
  /** The last so many lines of each server. */
  readonly lines: number
  readonly signal: AbortSignal
}

export interface LogLine {
  readonly server: string
  readonly text: string
}
