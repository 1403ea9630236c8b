import type { Digest } from './digest.ts'
import type { InvocationSummary } from './invocation.ts'
import type { DifferentAction } from './output-difference.ts'

/**
 * What is remembered of builds, and how to query it: the vocabulary shared by the console, which keeps the history, and
 * its readers. All times are milliseconds since 1970.
 */
export interface BuildHistory {
  /** Newest first, but one whose id is exactly idPrefix comes before all others. @param query limit: 1 to 1000 */
  builds(query: { readonly limit: number; readonly idPrefix?: string }): Promise<readonly BuildRecord[]>
  /** A build's actions in the order in which they were first seen, a page at a time. */
  actions(query: ActionsQuery): Promise<readonly ActionRecord[]>
  /**
   * Earlier actions that this one may be compared with, newest first: those with the same target, mnemonic,
   * configuration and first output; if there are none (or the client sends none of these), those with the same first
   * output.
   * @param row of an ActionRecord
   * @param limit 1 to 1000
   */
  earlier(row: number, limit: number): Promise<readonly ActionRecord[]>
  /** Actions whose outputs are or contain a path, newest first. */
  producers(query: ProducersQuery): Promise<readonly ActionRecord[]>
  /** A build's actions with different outputs the second time, latest first. @param limit 1 to 1000 */
  repeats(build: string, limit: number): Promise<readonly DifferentAction[]>
  /** An Action, Command or Directory, even if the cache has evicted it; undefined if it is nowhere. */
  blob(digest: Digest): Promise<Uint8Array | undefined>
}

/** The history as seen where it is kept, for looking at thousands of actions at once. */
export interface LocalHistory extends BuildHistory {
  /**
   * The candidates that each action is compared with, by its row. Of the actions that `earlier` returns: the latest
   * with the same digest; if there is none, all of the latest build that has any. Actions without candidates are left
   * out. Yields to the event loop when many others made the same outputs.
   * @param rows of ActionRecords, 1,000 at most
   * @param build a full id: considers this build only
   */
  comparable(rows: readonly number[], build?: string): Promise<ReadonlyMap<number, readonly EarlierAction[]>>
  /** All of a build's actions, or some, in the order of `actions`, in a fifth of the time that the records take. */
  marks(query: ActionsQuery): Promise<readonly ActionMark[]>
  /** Actions by their rows, in the order of these; those that are gone are left out. @param rows 1,000 at most */
  records(rows: readonly number[]): Promise<readonly ActionRecord[]>
  /**
   * What some actions make: rows and paths relative to the input root, 100,000 at most.
   * @param rows of ActionRecords, 1,000 at most
   */
  outputs(rows: readonly number[]): Promise<readonly (readonly [row: number, path: string])[]>
  /** How often the cache gave each answer to first lookups of actions in the newest builds. @param builds 1 to 100 */
  answers(builds: number): Promise<ReadonlyMap<LookupAnswer, number>>
  /** Changes whenever something was written. */
  revision(): number
  /**
   * When the first was seen of the actions that have not been read yet: what is known about them may still change;
   * undefined if there are none.
   */
  learningSince(): number | undefined
  /** Like `blob`, by digestKey; blobs that are nowhere are left out. */
  blobs(digests: readonly Digest[]): Promise<ReadonlyMap<string, Uint8Array>>
}

export interface ActionsQuery {
  /** A full id. */
  readonly build: string
  /** All if absent. */
  readonly outcomes?: readonly ActionOutcome[]
  readonly target?: string
  readonly mnemonic?: string
  readonly hashPrefix?: string
  /** 1 to 2000. */
  readonly limit: number
  /** The row of the previous page's last action. */
  readonly after?: number
}

export interface ProducersQuery {
  /** Relative to the input root. */
  readonly path: string
  /** All builds if absent. */
  readonly build?: string
  /** Only actions seen before this one. */
  readonly before?: number
  /** 1 to 1000. */
  readonly limit: number
}

/** A build, or anything else that calls itself one invocation of a tool. */
export interface BuildRecord {
  /** The client's tool_invocation_id; if it sends none, a name made here: `unnamed-...`. */
  readonly id: string
  readonly correlatedId: string
  readonly tool: string
  readonly toolVersion: string
  readonly instance: string
  readonly firstSeen: number
  readonly lastSeen: number
  /** Distinct actions; each is counted in one of the five below. */
  readonly actions: number
  readonly hits: number
  readonly executed: number
  readonly local: number
  readonly failed: number
  readonly missed: number
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Of blobs that it did not have to upload, since the cache had them. */
  readonly bytesSaved: number
  /** Events of any build that were lost while this one ran. */
  readonly dropped: number
  /** Actions that the scheduler ran a second time, and how many of them differed; absent if there are none. */
  readonly repeats?: { readonly run: number; readonly different: number }
  /** What the client itself reports; absent if nothing. */
  readonly told?: InvocationSummary
}

/**
 * Its duration in milliseconds: as its client reports it, since those events may arrive long after; otherwise from the
 * first call to the last.
 */
export function tookMs({ told, firstSeen, lastSeen }: BuildRecord): number {
  const known = told?.started !== undefined && told.finished !== undefined
  return Math.max(0, known ? told.finished - told.started : lastSeen - firstSeen)
}

/**
 * hit: its result was in the cache. executed: a worker ran it. local: the client ran it and stored the result. failed:
 * it ended with an error, or an exit code other than 0. missed: it was looked up and not found, and not seen since (it
 * is still running, or the client does not store results).
 */
export const actionOutcomes = ['hit', 'missed', 'executed', 'local', 'failed'] as const
export type ActionOutcome = (typeof actionOutcomes)[number]

/**
 * The action cache's answer. absent: no result; evicted: there was one until recently; incomplete: there is one, but
 * one of its blobs is missing; unauthorized: the client is not allowed to ask.
 */
export const lookupAnswers = ['hit', 'absent', 'evicted', 'incomplete', 'unauthorized'] as const
export type LookupAnswer = (typeof lookupAnswers)[number]

/** The first lookup of an action in a build. */
export interface LookupRecord {
  readonly answer: LookupAnswer
  /** The blob that an incomplete result lacks. */
  readonly missing?: { readonly hash: string; readonly size: number }
  /** How long before the lookup the result, or that blob, was evicted, in milliseconds; absent if unknown. */
  readonly evictedMs?: number
}

/** An action as seen in one build. */
export interface ActionRecord {
  /** Increases over time; identifies this action of this build. */
  readonly row: number
  readonly build: string
  readonly instance: string
  readonly digest: Digest
  /** Empty if the client does not say. */
  readonly target: string
  readonly mnemonic: string
  readonly configuration: string
  /** Absent if the Action has not been read yet, or was not there. */
  readonly command?: Digest
  readonly inputRoot?: Digest
  /** The first of the Command's outputs by name, relative to the input root; empty if unknown. */
  readonly firstOutput: string
  readonly outcome: ActionOutcome
  readonly firstSeen: number
  readonly lastSeen: number
  /** Absent if the cache was not asked. */
  readonly lookup?: LookupRecord
  readonly skipCacheLookup: boolean
  readonly doNotCache: boolean
  /** It shared the execution of an identical action from another call. */
  readonly merged: boolean
  readonly exitCode: number
  /** A google.rpc code; 0 if it ended with a result. */
  readonly status: number
  /** For people, if the status is not 0. */
  readonly message: string
  readonly worker: string
  /** How often it was assigned to a worker. */
  readonly attempts: number
  readonly times: ActionTimes
}

/** What is needed of an action for a later one to be compared with it. */
export type EarlierAction = Pick<
  ActionRecord,
  'row' | 'build' | 'instance' | 'digest' | 'command' | 'inputRoot' | 'firstOutput' | 'outcome' | 'firstSeen'
>

/** That there is an action, and in which state. */
export interface ActionMark {
  readonly row: number
  readonly outcome: ActionOutcome
  readonly lastSeen: number
  /** Nothing is known of what it is: it has not been read from the cache, or reading it was given up. */
  readonly isUnread: boolean
  /** Changes whenever more is known of it. */
  readonly state: string
}

/** When each thing happened to an action; absent if unknown. */
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
