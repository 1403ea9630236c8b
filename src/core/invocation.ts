/**
 * What a client itself reports about a build through the Build Event Service: what was typed, and how it ended. Only
 * some clients do (Bazel, with --bes_backend). All times are milliseconds since 1970.
 */
export interface InvocationSummary {
  /** `build`, `test` and so on; empty until reported. */
  readonly command: string
  /** The targets as typed. */
  readonly patterns: readonly string[]
  readonly started?: number
  /** Absent while it runs, and for a client that stopped without reporting an end. */
  readonly finished?: number
  /** With the tool's own name for it, such as SUCCESS, BUILD_FAILURE or INTERRUPTED. */
  readonly exit?: { readonly code: number; readonly name: string }
  readonly targets: number
  readonly targetsFailed: number
  readonly tests: number
  readonly testsFailed: number
}

/** Access to what clients reported. */
export interface InvocationHistory {
  /** What was reported about a build, by its full id; undefined if nothing was. */
  invocation(build: string): Promise<InvocationRecord | undefined>
  /**
   * One of a record's logs, without the rest of it; undefined if there is no such log.
   * @param build its full id
   * @param of a test's attempt or a failed action, identified by `row`
   * @param at index of the log, from 0
   */
  log(build: string, of: LogOwner, row: number, at: number): Promise<LogRecord | undefined>
}

/** What logs belong to. */
export type LogOwner = 'attempt' | 'failure'

/** Everything reported about one invocation, with likely secrets redacted. */
export interface InvocationRecord extends InvocationSummary {
  /** The client has said that it is done reporting. */
  readonly complete: boolean
  readonly workspace: string
  /** Options that were typed, and all that were in effect, including those from bazelrc files. */
  readonly options: readonly string[]
  readonly allOptions: readonly string[]
  /** Why it failed, in the tool's words; empty if it did not. */
  readonly message: string
  /** Where the tool's profile is; empty if there is none. */
  readonly profile: string
  readonly wallMs?: number
  readonly cpuMs?: number
  /** Failed ones first; only some if there are many. */
  readonly targetsShown: readonly TargetRecord[]
  readonly testsShown: readonly TestRecord[]
  readonly failures: readonly FailureRecord[]
  /** The end of the tool's output. */
  readonly output: string
  /** Bytes of earlier output that were not kept. */
  readonly outputCut: number
  /** Targets, tests and failures beyond what is kept for one build, and events that never arrived. */
  readonly leftOut: number
}

/** configured: it was to be built, and nothing more has been reported. */
export const targetStates = ['configured', 'built', 'skipped', 'failed'] as const
export type TargetState = (typeof targetStates)[number]

export interface TargetRecord {
  readonly label: string
  /** Empty for the target itself. */
  readonly aspect: string
  /** For example `cc_library rule`. */
  readonly kind: string
  readonly state: TargetState
  readonly message: string
}

/** As numbered in build_event_stream.TestStatus; unknown: no value, or a newer one. */
export const testStatuses = [
  'unknown',
  'passed',
  'flaky',
  'timeout',
  'failed',
  'incomplete',
  'remote failure',
  'failed to build',
  'not run',
] as const
export type TestStatus = (typeof testStatuses)[number]

export interface TestRecord {
  readonly label: string
  readonly status: TestStatus
  /** Ordered by run, shard and attempt. */
  readonly attempts: readonly AttemptRecord[]
}

export interface AttemptRecord {
  /** Identifies this attempt. */
  readonly row: number
  readonly run: number
  readonly shard: number
  readonly attempt: number
  readonly status: TestStatus
  /** Undefined if not reported. */
  readonly ms?: number
  /** The result came from the tool's or the remote cache. */
  readonly cached: boolean
  readonly details: string
  /** test.log, test.xml and so on. */
  readonly logs: readonly LogRecord[]
}

export interface LogRecord {
  readonly name: string
  /** `bytestream://HOST/INSTANCE/blobs/HASH/SIZE`, or `file://...` on the client's machine. */
  readonly uri: string
}

/** An action that failed, as the client reports it. */
export interface FailureRecord {
  /** Identifies this action. */
  readonly row: number
  readonly label: string
  readonly mnemonic: string
  readonly output: string
  readonly message: string
  readonly logs: readonly LogRecord[]
}

/** Did this test fail? A flaky one passed in the end; one that did not run is unknown. */
export function isFailedTest(status: TestStatus): boolean {
  return status === 'failed' || status === 'timeout' || status === 'remote failure' || status === 'failed to build'
}

/** `test //app/... -//app:slow`; empty until reported. */
export function commandText({ command, patterns }: InvocationSummary): string {
  return [command, ...patterns].join(' ').trim()
}

/** How it ended, in words: `ok`, `tests failed`, `not finished`. */
export function resultText({ exit, finished }: InvocationSummary): string {
  if (exit === undefined) return finished === undefined ? 'not finished' : 'broken off'
  if (exit.code === 0) return 'ok'
  return exit.name === '' ? `exit code ${exit.code}` : exit.name.toLowerCase().replaceAll('_', ' ')
}
