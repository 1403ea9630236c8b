/**
 * What a client itself tells of a build, by the Build Event Service: what was typed, and what became of it. Only some
 * clients do (Bazel, with --bes_backend). All times are milliseconds since 1970.
 */
export interface InvocationSummary {
  /** `build`, `test` and so on; empty until it is told. */
  readonly command: string
  /** The targets as they were typed. */
  readonly patterns: readonly string[]
  readonly started?: number
  /** Absent while it runs, and of a client that stopped without a word. */
  readonly finished?: number
  /** With the tool's own name for it, such as SUCCESS, BUILD_FAILURE or INTERRUPTED. */
  readonly exit?: { readonly code: number; readonly name: string }
  readonly targets: number
  readonly targetsFailed: number
  readonly tests: number
  readonly testsFailed: number
}

/** Who remembers what clients told. */
export interface InvocationHistory {
  /** What was told of a build, by its whole id; undefined where nothing was. */
  invocation(build: string): Promise<InvocationRecord | undefined>
  /**
   * One of the logs that it names, without the rest of it; undefined where there is no such log.
   * @param build its whole id
   * @param of a test's attempt or a failed action, which `row` stands for
   * @param at which of its logs, from 0 on
   */
  log(build: string, of: LogOwner, row: number, at: number): Promise<LogRecord | undefined>
}

/** What logs belong to. */
export type LogOwner = 'attempt' | 'failure'

/** All that was told of one invocation. What looks like a secret is hidden in it. */
export interface InvocationRecord extends InvocationSummary {
  /** The client has said that it has told everything. */
  readonly complete: boolean
  readonly workspace: string
  /** Options that were typed, and all that were in force, those of bazelrc files among them. */
  readonly options: readonly string[]
  readonly allOptions: readonly string[]
  /** Why it failed, in the tool's words; empty when it did not. */
  readonly message: string
  /** Where the tool's profile is; empty when it made none. */
  readonly profile: string
  readonly wallMs?: number
  readonly cpuMs?: number
  /** Those that failed first; some of them where there are many. */
  readonly targetsShown: readonly TargetRecord[]
  readonly testsShown: readonly TestRecord[]
  readonly failures: readonly FailureRecord[]
  /** The end of what the tool printed. */
  readonly output: string
  /** Bytes of it that were too long ago to be kept. */
  readonly outputCut: number
  /** Targets, tests and failures beyond what is kept of one build, and events that never came. */
  readonly leftOut: number
}

/** configured: it was to be built, and nothing more has been told. */
export const targetStates = ['configured', 'built', 'skipped', 'failed'] as const
export type TargetState = (typeof targetStates)[number]

export interface TargetRecord {
  readonly label: string
  /** Empty for the target itself. */
  readonly aspect: string
  /** Such as `cc_library rule`. */
  readonly kind: string
  readonly state: TargetState
  readonly message: string
}

/** As build_event_stream.TestStatus numbers them; unknown: the tool says nothing, or something newer. */
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
  /** In the order of runs, shards and attempts. */
  readonly attempts: readonly AttemptRecord[]
}

export interface AttemptRecord {
  /** Stands for this attempt. */
  readonly row: number
  readonly run: number
  readonly shard: number
  readonly attempt: number
  readonly status: TestStatus
  /** Undefined where it is not told. */
  readonly ms?: number
  /** The tool or the remote cache had the result. */
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

/** An action that failed, as the client tells it. */
export interface FailureRecord {
  /** Stands for this action. */
  readonly row: number
  readonly label: string
  readonly mnemonic: string
  readonly output: string
  readonly message: string
  readonly logs: readonly LogRecord[]
}

/** Did such a test fail? A flaky one passed in the end; of one that did not run nobody knows. */
export function isFailedTest(status: TestStatus): boolean {
  return status === 'failed' || status === 'timeout' || status === 'remote failure' || status === 'failed to build'
}

/** `test //app/... -//app:slow`; empty until it is told. */
export function commandText({ command, patterns }: InvocationSummary): string {
  return [command, ...patterns].join(' ').trim()
}

/** What became of it, in words: `ok`, `tests failed`, `not finished`. */
export function resultText({ exit, finished }: InvocationSummary): string {
  if (exit === undefined) return finished === undefined ? 'not finished' : 'broken off'
  if (exit.code === 0) return 'ok'
  return exit.name === '' ? `exit code ${exit.code}` : exit.name.toLowerCase().replaceAll('_', ' ')
}
