import type { Digest } from './digest.ts'
import type { InvocationSummary } from './invocation.ts'
import type { DifferentAction } from './output-difference.ts'

/**
 * What is remembered of builds, and how it is asked for: the words that the console, which keeps it, and those who
 * read it have in common. All times are milliseconds since 1970.
 */
export interface BuildHistory {
  /** Newest first, but before them the one whose id is idPrefix itself. @param query limit: 1 to 1000 */
  builds(query: { readonly limit: number; readonly idPrefix?: string }): Promise<readonly BuildRecord[]>
  /** Actions of a build in the order in which they were first seen, a page at a time. */
  actions(query: ActionsQuery): Promise<readonly ActionRecord[]>
  /**
   * Actions that were seen before this one and may be compared with it, newest first: those of the same target,
   * mnemonic, configuration and first output; where there are none (or the client names none of these), those that
   * make the same first output.
   * @param row of an ActionRecord
   * @param limit 1 to 1000
   */
  earlier(row: number, limit: number): Promise<readonly ActionRecord[]>
  /** Actions whose outputs are or contain a path, newest first. */
  producers(query: ProducersQuery): Promise<readonly ActionRecord[]>
  /** Actions of a build that made something else the second time, the latest first. @param limit 1 to 1000 */
  repeats(build: string, limit: number): Promise<readonly DifferentAction[]>
  /** The bytes of an Action, a Command or a Directory, also when the cache has evicted them; undefined when nobody has them. */
  blob(digest: Digest): Promise<Uint8Array | undefined>
}

/** The history where it is kept, for those who look at thousands of actions at once. */
export interface LocalHistory extends BuildHistory {
  /**
   * What each of some actions is compared with, or is chosen among, by its row: of those that `earlier` names, the latest of
   * the same digest; where there is none, all of the latest build that has any. Those without anything are left out.
   * The event loop gets its turns meanwhile where many others made the same outputs.
   * @param rows of ActionRecords, 1,000 at most
   * @param build a whole id: those of this build alone
   */
  comparable(rows: readonly number[], build?: string): Promise<ReadonlyMap<number, readonly ActionRecord[]>>
  /**
   * What some actions make: a row and a path from the input root, 100,000 at most.
   * @param rows of ActionRecords, 1,000 at most
   */
  outputs(rows: readonly number[]): Promise<readonly (readonly [row: number, path: string])[]>
  /** How often the cache gave each answer in the newest builds, to the first lookup of each action. @param builds 1 to 100 */
  answers(builds: number): Promise<ReadonlyMap<LookupAnswer, number>>
  /** Another number whenever something was written since. */
  revision(): number
  /** Are there actions that were seen and have not been read yet? What is told of them may still change. */
  isLearning(): boolean
  /** As `blob`, by digestKey; what nobody has is left out. */
  blobs(digests: readonly Digest[]): Promise<ReadonlyMap<string, Uint8Array>>
}

export interface ActionsQuery {
  /** A whole id. */
  readonly build: string
  /** All when absent. */
  readonly outcomes?: readonly ActionOutcome[]
  readonly target?: string
  readonly mnemonic?: string
  readonly hashPrefix?: string
  /** 1 to 2000. */
  readonly limit: number
  /** The row of the last one of the page before. */
  readonly after?: number
}

export interface ProducersQuery {
  /** From the input root. */
  readonly path: string
  /** In all when absent. */
  readonly build?: string
  /** Only what was seen before. */
  readonly before?: number
  /** 1 to 1000. */
  readonly limit: number
}

/** A build, or whatever else calls itself one invocation of a tool. */
export interface BuildRecord {
  /** The client's tool_invocation_id; where it sends none, a name that was made here: `unnamed-...`. */
  readonly id: string
  readonly correlatedId: string
  readonly tool: string
  readonly toolVersion: string
  readonly instance: string
  readonly firstSeen: number
  readonly lastSeen: number
  /** Different actions, each of which is counted as one of the five below it. */
  readonly actions: number
  readonly hits: number
  readonly executed: number
  readonly local: number
  readonly failed: number
  readonly missed: number
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Events of all builds that were lost while this one ran. */
  readonly dropped: number
  /** Actions that the scheduler ran a second time, and those of them that made something else; absent where there are none. */
  readonly repeats?: { readonly run: number; readonly different: number }
  /** What the client itself tells of it; absent where it tells nothing. */
  readonly told?: InvocationSummary
}

/**
 * How long it took, in milliseconds: by its client's word, since what that tells may arrive long after; else from the first
 * call to the last.
 */
export function tookMs({ told, firstSeen, lastSeen }: BuildRecord): number {
  const known = told?.started !== undefined && told.finished !== undefined
  return Math.max(0, known ? told.finished - told.started : lastSeen - firstSeen)
}

/**
 * hit: its result was in the cache. executed: a worker ran it. local: the client ran it and stored the result. failed:
 * it ended with an error, or another exit code than 0. missed: it was asked for and not there, and nothing has been
 * seen of it since (it runs, or the client does not store results).
 */
export const actionOutcomes = ['hit', 'missed', 'executed', 'local', 'failed'] as const
export type ActionOutcome = (typeof actionOutcomes)[number]

/**
 * What the action cache answered: absent: there is no result; evicted: there was one until lately; incomplete: there is
 * one, and one of its blobs is missing; unauthorized: the client has no right to ask.
 */
export const lookupAnswers = ['hit', 'absent', 'evicted', 'incomplete', 'unauthorized'] as const
export type LookupAnswer = (typeof lookupAnswers)[number]

/** The first lookup of an action in a build. */
export interface LookupRecord {
  readonly answer: LookupAnswer
  /** Which blob an incomplete result lacks. */
  readonly missing?: { readonly hash: string; readonly size: number }
  /** How long before it the result, or that blob, was evicted, in milliseconds; absent when that is not known. */
  readonly evictedMs?: number
}

/** An action as it was seen in one build. */
export interface ActionRecord {
  /** Grows with time; stands for this action of this build. */
  readonly row: number
  readonly build: string
  readonly instance: string
  readonly digest: Digest
  /** Empty where the client does not say. */
  readonly target: string
  readonly mnemonic: string
  readonly configuration: string
  /** Absent while the Action has not been read, or when it was not there. */
  readonly command?: Digest
  readonly inputRoot?: Digest
  /** The first of the Command's outputs in the order of their names, from the input root; empty when not known. */
  readonly firstOutput: string
  readonly outcome: ActionOutcome
  readonly firstSeen: number
  readonly lastSeen: number
  /** Absent when the cache was not asked. */
  readonly lookup?: LookupRecord
  readonly skipCacheLookup: boolean
  readonly doNotCache: boolean
  /** It shared the run of an identical action of another call. */
  readonly merged: boolean
  readonly exitCode: number
  /** A code of google.rpc; 0 when it ended with a result. */
  readonly status: number
  /** For people, when the status is not 0. */
  readonly message: string
  readonly worker: string
  /** How often it was given to a worker. */
  readonly attempts: number
  readonly times: ActionTimes
}

/** When what happened to an action; absent where it is not known. */
export interface ActionTimes {
  readonly queued?: number
  readonly workerStart?: number
  readonly inputStart?: number
  readonly inputEnd?: number
  readonly runStart?: number
  readonly runEnd?: number
  readonly outputStart?: number
  readonly outputEnd?: number
  readonly workerEnd?: number
}
