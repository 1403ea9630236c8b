/**
 * What kind of thing went wrong. A closed list: the CLI maps it to an exit code (cli/exit.ts) and the servers to a gRPC
 * status (wire/status.ts), each in one place.
 */
export type FailureKind =
  | 'invalid' // the caller's input is wrong: a flag, a config file, a message, a digest
  | 'not-found'
  | 'exists'
  | 'precondition' // the input is right but the state is not: missing blobs, no such worker
  | 'exhausted' // out of disk, memory or a bound
  | 'unavailable' // try again later: draining, not started, connection refused
  | 'cancelled'
  | 'deadline'
  | 'denied'
  | 'unimplemented'
  | 'out-of-range'
  | 'corrupt' // stored or received bytes are not what they should be
  | 'program' // a program that we called failed
  | 'internal' // our bug

/** What a failure carries besides its message. */
export interface FailureFacts {
  /** File and line, flag, digest or resource name. */
  readonly where?: string
  /** What to do about it: complete sentences, the most promising first. */
  readonly next?: readonly string[]
  /** The output of a program that we called, if any. */
  readonly output?: string
  readonly cause?: unknown
}

/** An error that a person or a client can act on. Everything expected is thrown as one. */
export class Failure extends Error {
  readonly kind: FailureKind
  readonly where: string | undefined
  readonly next: readonly string[]
  readonly output: string | undefined

  /**
   * @param kind what went wrong
   * @param message what was being done and what was wrong, in one sentence
   * @param facts where, what to do next, and the cause
   */
  constructor(kind: FailureKind, message: string, facts: FailureFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.name = 'Failure'
    this.kind = kind
    this.where = facts.where
    this.next = facts.next ?? []
    this.output = facts.output
  }
}

/**
 * Creates an error, or does something that is expected to throw, without capturing stack traces, which cost more than
 * everything else in a lookup: for frequent outcomes that are not faults, such as a miss.
 */
export function withoutStack<T>(make: () => T): T {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** What a client has sent may be malformed: undefined then. @throws what `read` throws beside a Failure 'invalid' */
export function ifWellFormed<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof Failure && error.kind === 'invalid') return undefined
    throw error
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of a system error ('ENOENT' and the like), if it is one. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
