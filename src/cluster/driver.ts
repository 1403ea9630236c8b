import type { CacheUsage, Stored } from '../core/cache-usage.ts'
import type { ClientTlsFiles } from '../wire/tls/client-tls.ts'
import type { DeployOptions, DownOptions, JoinOptions, RenderOptions, UpOptions } from './options.ts'
import type { Check } from './preflight/check.ts'

/**
 * What a place to run the servers must provide. The CLI knows no more about a cluster than this; a driver prints
 * nothing and does not exit the process. `up`, `deploy` and `down` are lists of named steps that can be repeated: a
 * step that finds its work done says so.
 */
export interface Driver {
  readonly kind: DriverKind
  up(options: UpOptions): Step[]
  deploy(options: DeployOptions): Step[]
  /**
   * What `deploy` of the same options would change, as unified diffs, one per object in the order of application;
   * changes nothing.
   * @throws Failure 'not-found' without a cluster, 'unimplemented' by a driver without objects
   */
  diff(options: DeployOptions): Promise<readonly ObjectDiff[]>
  /**
   * Writes the objects of such a deployment into a folder, as plain YAML; neither needs nor changes a cluster.
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
   * The console's page, for browsers on this machine.
   * @param failed called for each connection that could not be made
   * @throws Failure 'precondition' without a console, 'unavailable' when it is not ready
   */
  openPage(failed: (error: unknown) => void): Promise<Page>
  /**
   * Log lines of the servers in the order in which they were written; with follow, also later ones, until the signal is
   * aborted.
   */
  logs(options: LogOptions): AsyncIterable<LogLine>
  /**
   * Where the tokens are that this cluster's clients need.
   * @throws Failure 'precondition' where they need none
   */
  tokens(): Promise<TokensPlace>
  /**
   * Where workers on other machines find the scheduler.
   * @param host a name or an address by which they reach this machine; chosen when absent
   * @throws Failure 'precondition' when none can connect
   */
  meetingPlace(host?: string): Promise<MeetingPlace>
  /** Makes this machine a worker of another one's cluster. */
  join(options: JoinOptions): Step[]
  /** Undoes join: running actions finish or are given back, and nothing is left. */
  leave(): Step[]
  /** What `native doctor` checks here in addition to what it checks on every machine. */
  checks(status: Promise<ClusterStatus>): Check[]
}

export type DriverKind = 'process' | 'kind'

/** One named piece of work. */
export interface Step {
  readonly title: string
  run(report: StepReport): Promise<void>
  /** Undoes what run did, in full or in part, when it or a later step fails. */
  undo?(): Promise<void>
  /** Is there anything to undo? If not, undo is still called, but not shown. Default: there is. */
  undoes?(): boolean
  /** The state after the undo ("the servers are as before"); default: that it was undone. */
  undone?(): string
}

/** How a running step reports: a driver calls this, and the CLI shows it. */
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
  /** `host:port`, or only the host when the port is 80. */
  readonly address: string
  /** `grpc://address`, or `grpcs://address` with TLS, to paste. */
  readonly url: string
  /**
   * The PEM files with which this user's programs call it; absent without TLS, or where the system's authorities
   * suffice.
   */
  readonly tls?: ClientTlsFiles
}

export interface Addresses {
  readonly cache: Endpoint
  readonly scheduler: Endpoint
  /** The console; absent where there is none, or none of these addresses leads to it. */
  readonly console?: ConsoleEndpoint
  /**
   * Brings a console to this machine that no address leads to; absent where one does, or there is none.
   * @param failed called for each connection that could not be made
   */
  readonly openConsole?: (failed: (error: unknown) => void) => Promise<Page>
}

export interface ConsoleEndpoint extends Endpoint {
  /** Is its page at this address, too? If not, `openPage` forwards it to this machine. */
  readonly hasPage: boolean
}

/** An open page. */
export interface Page {
  /** `http://host:port` */
  readonly url: string
  /** Closes it; absent where the page is there independently of who opened it. */
  readonly close?: () => Promise<void>
}

/** The file with the tokens that clients of a cluster need. */
export interface TokensPlace {
  readonly file: string
  /** Tells the servers about a change of the file, where they do not watch it themselves. */
  changed(): Promise<void>
}

/** What a machine needs to know to join. */
export interface MeetingPlace {
  /** `grpcs://host:port` of the scheduler. */
  readonly url: string
  /**
   * SHA-256 of the certificate to trust, `sha256:` and hexadecimal digits; null when it is signed by an authority that
   * Node trusts.
   */
  readonly fingerprint: string | null
  /**
   * Is it the fingerprint of the server's own certificate, so that machines that joined are cut off when that is
   * renewed?
   */
  readonly fingerprintIsOwn: boolean
  /** Does the scheduler exchange an invitation for a token of one machine's own? */
  readonly exchanges: boolean
  /** Must a joining machine also show a certificate, from an authority of the cluster's user? */
  readonly asksCertificate: boolean
  /** Other names and addresses by which it may be reached. */
  readonly otherHosts: readonly string[]
}

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

export interface LogOptions {
  /** Names as in ServerStatus; empty means all. */
  readonly servers: readonly string[]
  readonly follow: boolean
  /** How many of each server's last lines. */
  readonly lines: number
  /** Only what was written then or later, in milliseconds since 1970. */
  readonly sinceMs?: number | undefined
  readonly signal: AbortSignal
}

export interface LogLine {
  readonly server: string
  readonly text: string
}
