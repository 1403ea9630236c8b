import type { CacheUsage, Stored } from '../core/cache-usage.ts'
import type { ClientTlsFiles } from '../wire/tls/client-tls.ts'
import type { DeployOptions, DownOptions, JoinOptions, RenderOptions, UpOptions } from './options.ts'
import type { Check } from './preflight/check.ts'

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
  /**
   * Writes the objects of such a deployment into a folder, as plain YAML; needs no cluster and changes none.
   * @throws Failure 'unimplemented' by a driver without objects
   */
  render(options: RenderOptions): Step[]
  down(options: DownOptions): Step[]
  status(): Promise<ClusterStatus>
  /**
   * The addresses that clients use; cache and scheduler have just answered GetCapabilities.
   * @throws Failure 'not-found' without a cluster, 'unavailable' when a server does not answer
   */
  addresses(): Promise<Addresses>
  /**
   * The console's page, for browsers of this machine.
   * @param failed is told of connections that could not be made
   * @throws Failure 'precondition' without a console, 'unavailable' where it is not ready
   */
  openPage(failed: (error: unknown) => void): Promise<Page>
  /** Log lines of the servers by the time at which they were written; with follow, what comes then too, until the signal aborts. */
  logs(options: LogOptions): AsyncIterable<LogLine>
  /**
   * Where the tokens are that clients of this cluster need.
   * @throws Failure 'precondition' where they need none
   */
  tokens(): Promise<TokensPlace>
  /**
   * Where workers of other machines find the scheduler.
   * @param host a name or an address of this machine that they use; chosen when absent
   * @throws Failure 'precondition' where none can come in
   */
  meetingPlace(host?: string): Promise<MeetingPlace>
  /** Makes this machine a worker of another one's cluster. */
  join(options: JoinOptions): Step[]
  /** The way back: running actions end or are given back, and nothing is left. */
  leave(): Step[]
  /** What `native doctor` looks at here beside what it asks of every machine. */
  checks(status: Promise<ClusterStatus>): Check[]
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
  /** How things stand once it is taken back ("the servers are as before"); by default that is done. */
  undone?(): string
}

/** How a running step speaks: the CLI shows it, a driver only says it. */
export interface StepReport {
  readonly signal: AbortSignal
  /** What it is doing now, or what it found ("already there"). */
  say(text: string): void
}

export interface ObjectDiff {
  /** Like `StatefulSet/cas`. */
  readonly object: string
  readonly change: 'created' | 'changed'
  /** A unified diff of YAML. */
  readonly text: string
}

export interface Endpoint {
  /** `host:port`, or a bare host where the port is 80. */
  readonly address: string
  /** `grpc://address`, or `grpcs://address` with TLS, to paste. */
  readonly url: string
  /** The files (PEM) with which this user's programs call it; absent without TLS, or where the system's authorities do. */
  readonly tls?: ClientTlsFiles
}

export interface Addresses {
  readonly cache: Endpoint
  readonly scheduler: Endpoint
  /** Who knows what was built; absent where there is none. */
  readonly console?: ConsoleEndpoint
}

export interface ConsoleEndpoint extends Endpoint {
  /** Is its page at this address as well? Where it is not, `openPage` brings it to this machine. */
  readonly hasPage: boolean
}

/** A page that is open. */
export interface Page {
  /** `http://host:port` */
  readonly url: string
  /** Ends it; absent where it is there without whoever opened it. */
  readonly close?: () => Promise<void>
}

/** The file of the tokens that clients of a cluster need. */
export interface TokensPlace {
  readonly file: string
  /** Has the servers know of a change of the file, where they do not look at it themselves. */
  changed(): Promise<void>
}

/** What a machine has to be told to join. */
export interface MeetingPlace {
  /** `grpcs://host:port` of the scheduler. */
  readonly url: string
  /** SHA-256 of the certificate to trust, `sha256:` and hexadecimal digits; null where an authority that comes with Node has signed it. */
  readonly fingerprint: string | null
  /** Is it that of the server's own certificate, so that whoever has joined is cut off when that is renewed? */
  readonly fingerprintIsOwn: boolean
  /** Does its scheduler exchange an invitation for a token of one machine? */
  readonly exchanges: boolean
  /** Has a machine that joins to show a certificate besides, of an authority of the cluster's user? */
  readonly asksCertificate: boolean
  /** By which other names and addresses it may be reached. */
  readonly otherHosts: readonly string[]
}

export type ClusterState = 'absent' | 'creating' | 'up' | 'deployed' | 'degraded' | 'failed'

/** One shape for both drivers; `native status --json` prints it. */
export interface ClusterStatus {
  readonly name: string
  readonly driver: DriverKind
  /** The release of the program that asks. */
  readonly version: string
  readonly state: ClusterState
  readonly servers: readonly ServerStatus[]
  readonly addresses: Addresses | null
  /** For whom this machine works, where it has joined another one's cluster; null where it has a cluster of its own. */
  readonly joined: JoinedCluster | null
  /** Workers of other machines; null where the scheduler does not tell. */
  readonly otherWorkers: readonly OtherWorker[] | null
  /** Null where the cache does not tell. */
  readonly cache: CacheUsage | null
  /** Input files that the workers keep, in total over those that answer; null where none tells. */
  readonly workerCaches: (Stored & { readonly workers: number }) | null
  /** How many workers run actions in a sandbox; null where none tells. */
  readonly sandboxedWorkers: number | null
  /** Null where the scheduler does not tell. */
  readonly load: SchedulerLoad | null
  /** What keeps it from being healthy, in plain words. */
  readonly problems: readonly string[]
  /** How the cluster comes up when its user logs in; null where it does not. */
  readonly atLogin: LoginStart | null
  /** The folder of what `down` was asked to keep; null where nothing was kept, and while there is a cluster. */
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
  /** Actions that it runs at once, and that it runs now. */
  readonly slots: number
  readonly busy: number
  /** It takes no more, and leaves once its actions are done. */
  readonly leaving: boolean
  readonly version: string
}

/** What the scheduler has to do just now, and has done since it started. */
export interface SchedulerLoad {
  /** Actions that wait for a worker. */
  readonly queued: number
  /** Actions that workers hold. */
  readonly running: number
  /** Workers that are connected, and how many actions they can run at once. */
  readonly workers: number
  readonly slots: number
  readonly sinceStart: {
    /** Actions that workers ended, whatever came of them, and executions that were answered from the cache. */
    readonly ended: number
    readonly cached: number
  }
}

export interface LoginStart {
  /** The file of systemd's or launchd's unit. */
  readonly unit: string
  /** disabled: it is there, and not run; stale: it is for another program or other folders than this command's. */
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
  /** When it was started, in milliseconds since 1970. */
  readonly since: number | null
  /** The release that it says it is; null while it does not answer. */
  readonly version: string | null
  /** What it says of itself that does not keep it from its work, in whole sentences. */
  readonly notes: readonly string[]
}

export interface LogOptions {
  /** Names as in ServerStatus; empty means all. */
  readonly servers: readonly string[]
  readonly follow: boolean
  /** The last so many lines of each server. */
  readonly lines: number
  /** Only what was written then or later, in milliseconds since 1970. */
  readonly sinceMs?: number | undefined
  readonly signal: AbortSignal
}

export interface LogLine {
  readonly server: string
  readonly text: string
}
