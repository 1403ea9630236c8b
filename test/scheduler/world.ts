import type { CacheOptions } from '../../src/cache/context.ts'
import { createCache } from '../../src/cache/services.ts'
import { createActionsClient } from '../../src/client/actions.ts'
import { createCasClient } from '../../src/client/cas.ts'
import { type Digest, digestFunctions } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import { createScheduler, type SchedulerOptions } from '../../src/scheduler/services.ts'
import { createMemoryBlobs } from '../../src/store/memory/blobs.ts'
import { createMemoryResults } from '../../src/store/memory/results.ts'
import { verified } from '../../src/store/verified.ts'
import type { Log } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { unpackAny } from '../../src/wire/any.ts'
import { longrunning, re } from '../../src/wire/proto.ts'
import type { CallOptions, Channel } from '../../src/wire/rpc.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { manualClock } from './clock.ts'
import { mailbox } from './mailbox.ts'

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}

/** What an action of a test differs in. */
export interface ActionFacts {
  readonly argument?: string
  readonly platform?: readonly (readonly [string, string])[]
  readonly commandPlatform?: readonly (readonly [string, string])[]
  readonly doNotCache?: boolean
  readonly timeout?: { readonly seconds: number }
  readonly root?: Digest
}

/**
 * A scheduler in front of a real cache over the memory store, with a clock that the test
 * moves. The time that a new scheduler grants to workers of an earlier run is over.
 */
export function createWorld(
  overrides: Partial<SchedulerOptions> = {},
  around = (cas: Channel): Channel => cas,
  cache: Partial<CacheOptions> = {},
) {
  const clock = manualClock()
  const blobs = cache.blobs ?? verified(createMemoryBlobs(2 ** 28))
  const log = overrides.log ?? silent
  const casChannel = memoryChannel(
    createCache({
      blobs,
      results: createMemoryResults(2 ** 24),
      instances: new Set(['', 'main']),
      updateEnabled: true,
      blobSizeMax: 0,
      log,
      metrics: createMetrics(),
      clock,
      ...cache,
    }).services,
    { clock },
  )
  const calls: string[] = []
  const cas = around(recorded(casChannel, calls))
  const metrics = createMetrics()
  const scheduler = createScheduler({
    cas,
    instances: new Set(['', 'main']),
    timeouts: { defaultMs: 1_800_000, maxMs: 3_600_000 },
    leaseMs: 10_000,
    requeuesMax: 2,
    workerWaitMs: 60_000,
    updateEveryMs: 30_000,
    queueMax: 1_000,
    queueBytesMax: 256 * 1024 * 1024,
    cancelledMs: 2_000,
    lostMs: 60_000,
    repeatShare: 0,
    version: '1.0.0',
    clock,
    log,
    metrics,
    ...overrides,
  })
  clock.advance(5_000)
  const channel = memoryChannel(scheduler.services, { clock })
  // A connection for each, so that one can break.
  const ownChannel = () => memoryChannel(scheduler.services, { clock })
  const casClient = createCasClient(casChannel)

  async function put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf('sha256', bytes)
    await blobs.put(digest, bytes)
    return digest
  }

  return {
    clock,
    scheduler,
    channel,
    metrics,
    /** The store behind the cache, to take blobs away. */
    blobs,
    /** The way to the cache. */
    casChannel,
    /** Methods that the scheduler has called on the cache. */
    calls,
    cas: casClient,
    results: createActionsClient(casChannel),
    put,
    /** Uploads an action with all that it needs. */
    async action(facts: ActionFacts = {}): Promise<Digest> {
      const command = await put(commandBytes(facts))
      const root = facts.root ?? (await put(new Uint8Array()))
      return put(actionBytes(facts, command, root))
    },
    execute: (digest: Digest, request: re.ExecuteRequest.$Properties = {}, options?: CallOptions) =>
      followed(ownChannel(), 'Execute', executeRequest(digest, request), options),
    wait: (name: string, options?: CallOptions) =>
      followed(ownChannel(), 'WaitExecution', re.WaitExecutionRequest.encode({ name }).finish(), options),
  }
}

export type World = ReturnType<typeof createWorld>

/** Where a digest stands in messages. */
export function wire(digest: Digest) {
  return { hash: digest.hash, sizeBytes: digest.size }
}

function commandBytes(facts: ActionFacts): Uint8Array {
  return re.Command.encode({
    arguments: ['run', facts.argument ?? ''],
    ...(facts.commandPlatform && { platform: platform(facts.commandPlatform) }),
  }).finish()
}

export function actionBytes(facts: ActionFacts, command: Digest, root: Digest): Uint8Array {
  return re.Action.encode({
    commandDigest: wire(command),
    inputRootDigest: wire(root),
    doNotCache: facts.doNotCache ?? false,
    ...(facts.timeout && { timeout: facts.timeout }),
    ...(facts.platform && { platform: platform(facts.platform) }),
  }).finish()
}

function platform(properties: readonly (readonly [string, string])[]) {
  return { properties: properties.map(([name, value]) => ({ name, value })) }
}

/** A serialised ExecuteRequest. */
export function executeRequest(digest: Digest, request: re.ExecuteRequest.$Properties): Uint8Array {
  return re.ExecuteRequest.encode({
    actionDigest: wire(digest),
    digestFunction: digestFunctions[digest.fn].value,
    ...request,
  }).finish()
}

/** One operation as a client sees it at one moment. */
export interface Seen {
  readonly name: string
  readonly done: boolean
  readonly metadata: re.ExecuteOperationMetadata
  readonly response: re.ExecuteResponse | undefined
  readonly raw: longrunning.Operation
}

export function seen(bytes: Uint8Array): Seen {
  const raw = longrunning.Operation.decode(bytes)
  const metadata = unpackAny(raw.metadata, 'build.bazel.remote.execution.v2.ExecuteOperationMetadata')
  const response = unpackAny(raw.response, 'build.bazel.remote.execution.v2.ExecuteResponse')
  return {
    name: raw.name,
    done: raw.done,
    metadata: re.ExecuteOperationMetadata.decode(metadata ?? new Uint8Array()),
    response: response && re.ExecuteResponse.decode(response),
    raw,
  }
}

/** The client's side of an Execute or WaitExecution stream. */
export interface Followed {
  /** The next message; undefined once the stream has ended. */
  next(): Promise<Seen | undefined>
  /** All messages up to the end; the last one is the one that says done. */
  rest(): Promise<Seen[]>
  /** The ExecuteResponse at the end of the stream. */
  response(): Promise<re.ExecuteResponse>
  /** The client does not want it any more, and says so. */
  cancel(): void
  /** The connection of the client breaks. */
  lose(): void
}

export function followed(channel: Channel, method: string, request: Uint8Array, options: CallOptions = {}): Followed {
  const controller = new AbortController()
  const box = mailbox<Seen>()
  async function listen(): Promise<void> {
    const stream = channel.serverStream(`build.bazel.remote.execution.v2.Execution/${method}`, request, {
      ...options,
      signal: controller.signal,
    })
    for await (const bytes of stream) box.push(seen(bytes))
  }
  listen().then(box.end, box.fail)
  async function rest(): Promise<Seen[]> {
    const all: Seen[] = []
    for await (const each of box) all.push(each)
    return all
  }
  return {
    next: box.next,
    rest,
    async response() {
      const last = (await rest()).at(-1)
      if (!last?.response) throw new Error('the stream ended without a response')
      return last.response
    },
    cancel: () => controller.abort(),
    lose: () => channel.close(),
  }
}

/** The channel, with the names of the methods that are called on it written down. */
function recorded(channel: Channel, calls: string[]): Channel {
  const note = (method: string) => calls.push(method.slice(method.indexOf('/') + 1))
  return {
    unary(method, request, options) {
      note(method)
      return channel.unary(method, request, options)
    },
    serverStream(method, request, options) {
      note(method)
      return channel.serverStream(method, request, options)
    },
    clientStream(method, requests, options) {
      note(method)
      return channel.clientStream(method, requests, options)
    },
    bidi(method, requests, options) {
      note(method)
      return channel.bidi(method, requests, options)
    },
    close: channel.close,
  }
}
