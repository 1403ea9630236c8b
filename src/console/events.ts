import { checkTool } from '../client/request-metadata.ts'
import type { ActionRecord, ActionTimes, LookupRecord } from '../core/build-history.ts'
import { type Digest, digestFromWire } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { type consoleApi, re } from '../wire/proto.ts'
import { fromTimestamp, type WireTime } from '../wire/time.ts'
import { outcomeOfExecution } from './outcomes.ts'

/** What a client says about itself and its work; empty where it does not. */
export interface Client {
  readonly invocation: string
  readonly correlated: string
  readonly tool: string
  readonly toolVersion: string
  readonly target: string
  readonly mnemonic: string
  readonly configuration: string
}

/** An event of an action; times are milliseconds since 1970. */
export type ActionEvent = {
  readonly kind: 'lookup' | 'update' | 'execution'
  readonly at: number
  readonly client: Client
  readonly instance: string
  readonly action: Digest
} & (
  | { readonly kind: 'lookup'; readonly lookup: LookupRecord }
  | { readonly kind: 'update' | 'execution'; readonly run: Run }
)

/** How an action ran, or that an Execute found it in the cache. */
export type Run = Pick<
  ActionRecord,
  | 'outcome'
  | 'skipCacheLookup'
  | 'doNotCache'
  | 'merged'
  | 'exitCode'
  | 'status'
  | 'message'
  | 'worker'
  | 'attempts'
  | 'times'
>

interface TrafficEvent {
  readonly kind: 'traffic'
  readonly at: number
  readonly client: Client
  readonly received: number
  readonly sent: number
  readonly saved: number
}

/** An action was run twice for comparison. */
export interface RepeatEvent {
  readonly kind: 'repeat'
  readonly at: number
  readonly client: Client
  readonly instance: string
  readonly action: Digest
  /** Two results that differ; undefined if they are the same. */
  readonly results: readonly [re.ActionResult.$Properties, re.ActionResult.$Properties] | undefined
}

export type ConsoleEvent = ActionEvent | RepeatEvent | TrafficEvent

const textLengthMax = 1024

/**
 * The events of a batch. Malformed ones (with an invalid digest) are left out, since the others are still of use; so
 * are those of our own health checks.
 * @returns them, and how many were left out
 */
export function eventsOf(request: consoleApi.RecordRequest): { events: ConsoleEvent[]; unreadable: number } {
  const clients = request.clients.map(clientOf)
  const events: ConsoleEvent[] = []
  let unreadable = 0
  for (const wire of request.events) {
    try {
      const event = eventOf(wire, clients[(wire.client ?? 0) - 1] ?? nobody)
      if (event && event.client.tool !== checkTool) events.push(event)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      unreadable += 1
    }
  }
  return { events, unreadable }
}

const nobody: Client = {
  invocation: '',
  correlated: '',
  tool: '',
  toolVersion: '',
  target: '',
  mnemonic: '',
  configuration: '',
}

function clientOf(bytes: Uint8Array): Client {
  try {
    const metadata = re.RequestMetadata.decode(bytes)
    return {
      invocation: bounded(metadata.toolInvocationId),
      correlated: bounded(metadata.correlatedInvocationsId),
      tool: bounded(metadata.toolDetails?.toolName),
      toolVersion: bounded(metadata.toolDetails?.toolVersion),
      target: bounded(metadata.targetId),
      mnemonic: bounded(metadata.actionMnemonic),
      configuration: bounded(metadata.configurationId),
    }
  } catch {
    // Malformed client metadata counts as none.
    return nobody
  }
}

function bounded(text: string | null | undefined): string {
  return (text ?? '').slice(0, textLengthMax)
}

function eventOf(wire: consoleApi.Event.$Properties, client: Client): ConsoleEvent | undefined {
  const at = wire.at ?? 0
  if (wire.traffic)
    return {
      ...{ kind: 'traffic', at, client, received: wire.traffic.received ?? 0, sent: wire.traffic.sent ?? 0 },
      saved: wire.traffic.saved ?? 0,
    }
  const action = digestFromWire(wire.actionDigest, wire.digestFunction ?? 0, 'action_digest')
  const common = { at, client, instance: bounded(wire.instanceName), action }
  if (wire.lookup) return { ...common, kind: 'lookup', lookup: lookupOf(wire.lookup) }
  if (wire.update) return { ...common, kind: 'update', run: runOfUpdate(wire.update) }
  if (wire.repeat) {
    const { same, first, second } = wire.repeat
    return { ...common, kind: 'repeat', results: same || !first || !second ? undefined : [first, second] }
  }
  if (wire.execution) return { ...common, kind: 'execution', run: runOfExecution(wire.execution) }
  return undefined
}

const answers = ['hit', 'absent', 'evicted', 'incomplete', 'unauthorized'] as const

function lookupOf({ answer, missing, evictedAgo }: consoleApi.Lookup.$Properties): LookupRecord {
  return {
    answer: answers[answer ?? 0] ?? 'absent',
    ...(missing && { missing: { hash: bounded(missing.hash), size: missing.sizeBytes ?? 0 } }),
    ...(evictedAgo && { evictedMs: evictedAgo }),
  }
}

function runOfUpdate({ exitCode, metadata }: consoleApi.Update.$Properties): Run {
  return {
    outcome: exitCode ? 'failed' : 'local',
    skipCacheLookup: false,
    doNotCache: false,
    merged: false,
    exitCode: exitCode ?? 0,
    status: 0,
    message: '',
    worker: bounded(metadata?.worker),
    attempts: 0,
    times: timesOf(metadata),
  }
}

function runOfExecution(wire: consoleApi.Execution.$Properties): Run {
  const facts = { cached: wire.cached ?? false, status: wire.status ?? 0, exitCode: wire.exitCode ?? 0 }
  return {
    outcome: outcomeOfExecution(facts),
    skipCacheLookup: wire.skipCacheLookup ?? false,
    doNotCache: wire.doNotCache ?? false,
    merged: wire.merged ?? false,
    exitCode: facts.exitCode,
    status: facts.status,
    message: bounded(wire.message),
    worker: bounded(wire.metadata?.worker),
    attempts: wire.attempts ?? 0,
    // The times of a cached result belong to another build.
    times: facts.cached ? {} : timesOf(wire.metadata),
  }
}

function timesOf(metadata: re.ExecutedActionMetadata.$Properties | null | undefined): ActionTimes {
  if (!metadata) return {}
  const times = {
    queued: time(metadata.queuedTimestamp),
    workerStart: time(metadata.workerStartTimestamp),
    inputStart: time(metadata.inputFetchStartTimestamp),
    inputEnd: time(metadata.inputFetchCompletedTimestamp),
    runStart: time(metadata.executionStartTimestamp),
    runEnd: time(metadata.executionCompletedTimestamp),
    outputStart: time(metadata.outputUploadStartTimestamp),
    outputEnd: time(metadata.outputUploadCompletedTimestamp),
    workerEnd: time(metadata.workerCompletedTimestamp),
  }
  return Object.fromEntries(Object.entries(times).filter(([, ms]) => ms !== undefined))
}

function time(wire: WireTime | null | undefined): number | undefined {
  return wire ? Math.round(fromTimestamp(wire)) : undefined
}
