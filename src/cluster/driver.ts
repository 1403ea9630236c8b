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
  /**
   * What `deploy` of the same options would change, as unified diffs, one for each object, in the order in
   * which they would be applied; nothing is changed.
   * @throws Failure 'not-found' without a cluster, 'unimplemented' by a driver without objects
   */
  diff(options: DeployOptions): Promise<readonly ObjectDiff[]>
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
  /** Is there something to take back? When not, undo is called all the same, and not shown. By default there is. */
  undoes?(): boolean
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
  /** Of a driver with nodes. One that has none refuses each by its flag's name, and so do the rest here. */
  readonly nodes?: number
  /** The image of the nodes; excludes kubernetesVersion. */
  readonly nodeImage?: string
  /** Like 1.34 or 1.34.4: the nodes' image of that name. */
  readonly kubernetesVersion?: string
  readonly gateway?: GatewayProfile
  /** Archives as `docker save` makes them, whose images the nodes are given. */
  readonly imageArchives?: readonly string[]
  /** `HOST=URL`: where nodes find what is at HOST. */
  readonly registryMirrors?: readonly string[]
  /** Publish the Gateways on ports of 127.0.0.1; by default where containers cannot be reached. */
  readonly publish?: boolean
}

/** Who brings addresses and Gateways to a cluster of nodes. */
export type GatewayProfile = 'cilium' | 'envoy'

export interface DeployOptions {
  readonly workers?: number
  readonly slots?: number
  readonly cacheSizeBytes?: number
  readonly properties?: readonly PlatformProperty[]
  /** A YAML file with any of the above and server settings (config/deployment.ts). */
  readonly configFile?: string
  /** Published images, as docker writes their names; absent, ours are built. Of a driver with nodes, as the rest here. */
  readonly image?: string
  /** Of workers; `image` when absent. */
  readonly workerImage?: string
  /** Other bases than the definitions' to build on, as `image copy --base` takes them. */
  readonly base?: string
  readonly workerBase?: string
  /** Take published images though nothing says that their signatures are good. */
  readonly insecureIgnoreSignature?: boolean
  /** One half of a deployment only. */
  readonly only?: 'operations' | 'application'
}

export interface ObjectDiff {
  /** Like `StatefulSet/cas`. */
  readonly object: string
  readonly change: 'created' | 'changed'
  /** A unified diff of YAML. */
  readonly text: string
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
