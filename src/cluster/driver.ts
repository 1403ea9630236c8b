import type { Addresses, Page } from './addresses.ts'
import type { DeployOptions, DownOptions, JoinOptions, RenderOptions, UpOptions } from './options.ts'
import type { Check } from './preflight/check.ts'
import type { ClusterStatus, DriverKind } from './status.ts'

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
