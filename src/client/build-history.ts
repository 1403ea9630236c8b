import {
  type ActionOutcome,
  type ActionRecord,
  type ActionTimes,
  actionOutcomes,
  type BuildHistory,
  type BuildRecord,
  type LookupRecord,
  lookupAnswers,
} from '../core/build-history.ts'
import { type Digest, digestFromWire, digestFunctions } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import type { InvocationSummary } from '../core/invocation.ts'
import { decodeMessage } from '../wire/decode.ts'
import { consoleApi } from '../wire/proto.ts'
import { type Channel, Code, RpcError } from '../wire/rpc.ts'
import { wireDigest } from './context.ts'
import { differentAction } from './different-action.ts'

const service = 'native.console.v1.History'
const callMsMax = 30_000

/** The build history kept by a console. Errors are RpcErrors. */
export function openBuildHistory(channel: Channel): BuildHistory {
  const call = (method: string, request: Uint8Array) =>
    channel.unary(`${service}/${method}`, request, { timeoutMs: callMsMax })

  async function actionsAnswered(method: string, request: Uint8Array): Promise<Part<ActionRecord>> {
    const { actions, more } = decodeMessage(consoleApi.ListActionsResponse, await call(method, request))
    return { items: actions.map(actionRecord), more }
  }

  return {
    builds: ({ limit, idPrefix = '' }) =>
      inParts(async ({ length: skip }) => {
        const request = consoleApi.ListBuildsRequest.encode({ limit, idPrefix, skip }).finish()
        const { builds, more } = decodeMessage(consoleApi.ListBuildsResponse, await call('ListBuilds', request))
        return { items: builds.map(buildRecord), more }
      }),
    actions: ({ outcomes, limit, after = 0, ...query }) =>
      inParts((before) => {
        const wanted = outcomes && { outcomes: outcomes.map((each) => outcomeValues[each]) }
        const page = { limit: limit - before.length, after: before.at(-1)?.row ?? after }
        return actionsAnswered(
          'ListActions',
          consoleApi.ListActionsRequest.encode({ ...query, ...wanted, ...page }).finish(),
        )
      }),
    earlier: (row, limit) =>
      inParts(({ length: skip }) =>
        actionsAnswered('ListEarlier', consoleApi.ListEarlierRequest.encode({ row, limit, skip }).finish()),
      ),
    producers: (query) =>
      inParts(({ length: skip }) =>
        actionsAnswered('ListProducers', consoleApi.ListProducersRequest.encode({ ...query, skip }).finish()),
      ),
    repeats: (build, limit) =>
      inParts(async ({ length: skip }) => {
        const request = consoleApi.ListRepeatsRequest.encode({ build, limit, skip }).finish()
        const { actions, more } = decodeMessage(consoleApi.ListRepeatsResponse, await call('ListRepeats', request))
        return { items: actions.map(differentAction), more }
      }),
    async blob(digest) {
      const digestFunction = digestFunctions[digest.fn].value
      const request = consoleApi.GetBlobRequest.encode({ digestFunction, digest: wireDigest(digest) }).finish()
      try {
        return decodeMessage(consoleApi.GetBlobResponse, await call('GetBlob', request)).data
      } catch (error) {
        if (error instanceof RpcError && error.code === Code.NOT_FOUND) return undefined
        throw error
      }
    },
  }
}

interface Part<Item> {
  readonly items: readonly Item[]
  /** There are more than fit into one response. */
  readonly more: boolean
}

/** A list that may take several responses. @param next asks for what follows the items so far */
async function inParts<Item>(next: (before: readonly Item[]) => Promise<Part<Item>>): Promise<Item[]> {
  const all: Item[] = []
  for (;;) {
    const { items, more } = await next(all)
    all.push(...items)
    if (!more || items.length === 0) return all
  }
}

/** The outcomes of actions as protocol values. */
export const outcomeValues: Readonly<Record<ActionOutcome, consoleApi.Outcome>> = {
  hit: consoleApi.Outcome.HIT,
  missed: consoleApi.Outcome.MISSED,
  executed: consoleApi.Outcome.EXECUTED,
  local: consoleApi.Outcome.LOCAL,
  failed: consoleApi.Outcome.FAILED,
}

/** A build, decoded from its message. */
export function buildRecord(wire: consoleApi.Build.$Properties): BuildRecord {
  return {
    id: wire.id ?? '',
    correlatedId: wire.correlatedId ?? '',
    tool: wire.tool ?? '',
    toolVersion: wire.toolVersion ?? '',
    instance: wire.instanceName ?? '',
    firstSeen: wire.firstSeen ?? 0,
    lastSeen: wire.lastSeen ?? 0,
    actions: wire.actions ?? 0,
    hits: wire.hits ?? 0,
    executed: wire.executed ?? 0,
    local: wire.local ?? 0,
    failed: wire.failed ?? 0,
    missed: wire.missed ?? 0,
    bytesReceived: wire.bytesReceived ?? 0,
    bytesSent: wire.bytesSent ?? 0,
    bytesSaved: wire.bytesSaved ?? 0,
    dropped: wire.dropped ?? 0,
    ...(wire.repeats && { repeats: { run: wire.repeats.run ?? 0, different: wire.repeats.different ?? 0 } }),
    ...(wire.told && { told: invocationSummary(wire.told) }),
  }
}

function invocationSummary(wire: consoleApi.Told.$Properties): InvocationSummary {
  return {
    command: wire.command ?? '',
    patterns: wire.patterns ?? [],
    ...(wire.started && { started: wire.started }),
    ...(wire.finished && { finished: wire.finished }),
    ...(wire.exit && { exit: { code: wire.exit.code ?? 0, name: wire.exit.name ?? '' } }),
    targets: wire.targets ?? 0,
    targetsFailed: wire.targetsFailed ?? 0,
    tests: wire.tests ?? 0,
    testsFailed: wire.testsFailed ?? 0,
  }
}

function actionRecord(wire: consoleApi.Action.$Properties): ActionRecord {
  const fnValue = wire.digestFunction ?? 0
  const optional = (digest: typeof wire.digest, field: string): Digest | undefined =>
    digest ? digestFromWire(digest, fnValue, field) : undefined
  const command = optional(wire.commandDigest, 'command_digest')
  const inputRoot = optional(wire.inputRootDigest, 'input_root_digest')
  return {
    row: wire.row ?? 0,
    build: wire.build ?? '',
    instance: wire.instanceName ?? '',
    digest: digestFromWire(wire.digest, fnValue),
    target: wire.target ?? '',
    mnemonic: wire.mnemonic ?? '',
    configuration: wire.configuration ?? '',
    ...(command && { command }),
    ...(inputRoot && { inputRoot }),
    firstOutput: wire.firstOutput ?? '',
    outcome: outcomeOf(wire.outcome ?? 0),
    firstSeen: wire.firstSeen ?? 0,
    lastSeen: wire.lastSeen ?? 0,
    ...(wire.asked && { lookup: lookupOf(wire.asked) }),
    skipCacheLookup: wire.skipCacheLookup ?? false,
    doNotCache: wire.doNotCache ?? false,
    merged: wire.merged ?? false,
    exitCode: wire.exitCode ?? 0,
    status: wire.status ?? 0,
    message: wire.message ?? '',
    worker: wire.worker ?? '',
    attempts: wire.attempts ?? 0,
    times: timesOf(wire.times ?? {}),
  }
}

/** @throws Failure 'unimplemented' for an outcome of a later release */
function outcomeOf(value: consoleApi.Outcome): ActionOutcome {
  const outcome = actionOutcomes.find((each) => outcomeValues[each] === value)
  if (outcome) return outcome
  throw new Failure('unimplemented', `the console reports an outcome (${value}) that this release does not know`)
}

function lookupOf({ answer, missingHash, missingSize, evictedAgo }: consoleApi.Asked.$Properties): LookupRecord {
  return {
    answer: lookupAnswers[answer ?? 0] ?? 'absent',
    ...(missingHash && { missing: { hash: missingHash, size: missingSize ?? 0 } }),
    ...(evictedAgo && { evictedMs: evictedAgo }),
  }
}

/** Zero stands for an unknown time. */
function timesOf(wire: consoleApi.Times.$Properties): ActionTimes {
  return Object.fromEntries(Object.entries(wire).filter(([, ms]) => typeof ms === 'number' && ms !== 0))
}
