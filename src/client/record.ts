import { randomBytes } from 'node:crypto'
import { backoffMs } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { digestFunctions } from '../core/digest.ts'
import { messageOf } from '../core/failure.ts'
import { createEventLoopUsage } from '../host/event-loop.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { consoleApi } from '../wire/proto.ts'
import { type Channel, Code, RpcError } from '../wire/rpc.ts'
import { wireDigest } from './context.ts'
import { createEventList, type Seen } from './record-events.ts'
import type { Recorder } from './recorder.ts'

export const recordMethod = 'native.console.v1.Recorder/Record'

export interface RecordingOptions {
  /** To the console; its calls of recordMethod are signed if the cluster has a secret. */
  readonly channel: Channel
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** The share of the time since the last call in which this server was busy, 0 to 1; that of its event loop by default. */
  readonly usage?: () => number
}

/** A recorder that sends its events to the console in batches. */
export interface Recording {
  readonly recorder: Recorder
  /** Sends what waits, once; settles when it has arrived or after 1 s. Nothing more is recorded. */
  close(): Promise<void>
}

/** How long an event waits for others to be sent with, in milliseconds. */
const batchMs = 250
/** Events in one batch: 2 ms of work to encode. */
const batchEventsMax = 1_000
/** Pause after a full batch, in milliseconds: calls come first. */
const nextMs = 10
/**
 * That pause while this server is busy all the time: the console would take processor time from clients' calls. Longer
 * loads of more than 1,000 events a second are then reported in part, and what is left out is counted.
 */
const nextMsWhenBusy = 1_000
/** From here on, a server has no time left. */
const busyFrom = 0.9
const callMsMax = 5_000
const closeMsMax = 1_000
/** Retry delay while the console is away. */
const delayMsMin = 500
const delayMsMax = 10_000
/** Attempts to send a batch that the console fails on: three minutes. */
const attemptsMax = 20

/** A batch refused with one of these would be refused again. */
const refusals: ReadonlySet<Code> = new Set([Code.INVALID_ARGUMENT, Code.OUT_OF_RANGE])
/**
 * The console is away, or rejects this server because of a secret or its release: the batch can wait. Any other error
 * may be the batch's fault.
 */
const closedDoors: ReadonlySet<Code> = new Set([
  ...[Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.ABORTED],
  ...[Code.PERMISSION_DENIED, Code.UNAUTHENTICATED, Code.UNIMPLEMENTED],
])

const answers = consoleApi.Lookup.Answer
const answerValue = {
  hit: answers.HIT,
  absent: answers.ABSENT,
  evicted: answers.EVICTED,
  incomplete: answers.INCOMPLETE,
  unauthorized: answers.UNAUTHORIZED,
} as const

/**
 * Records for a console. One batch is in flight at a time; what arrives meanwhile waits, up to a limit, beyond which
 * events are dropped and counted. So is a batch that the console cannot take.
 */
export function createRecording({ channel, clock, log, metrics, ...options }: RecordingOptions): Recording {
  const usage = options.usage ?? createEventLoopUsage()
  const run = randomBytes(16)
  const dropped = metrics
    .counter(
      'native_console_dropped_total',
      'Events that did not reach the console: it was away, slow or refused them.',
    )
    .of({})
  let sequence = 0
  /** Consecutive failures, and those of them in which the console was there and rejected this batch. */
  let failures = 0
  let attempts = 0
  let sending: Promise<void> | undefined
  let batch: Batch | undefined
  /** Events that were refused, reported with the next batch. */
  let refused = 0
  let hasWarnedOfRefusal = false
  let closed = false
  let cancel: () => void = () => undefined
  const list = createEventList(clock, {
    first: () => later(batchMs),
    dropped: () => dropped.add(),
  })

  function later(ms: number): void {
    if (closed || sending) return
    cancel()
    cancel = clock.after(ms, flush)
  }

  function nextBatch(): Batch {
    const taken = list.take(batchEventsMax)
    const lost = taken.dropped + refused
    refused = 0
    const bytes = encodeBatch(run, ++sequence, { events: taken.events, dropped: lost })
    return { bytes, events: taken.events.length, dropped: lost }
  }

  function flush(): void {
    if (sending || (!batch && list.size === 0)) return
    batch ??= nextBatch()
    sending = send(batch).then((isDone) => {
      sending = undefined
      if (isDone) batch = undefined
      if (!isDone) later(backoffMs(failures, { msMin: delayMsMin, msMax: delayMsMax }))
      else if (list.size > 0) later(list.size >= batchEventsMax ? pauseMs() : batchMs)
    })
  }

  function pauseMs(): number {
    return usage() >= busyFrom ? nextMsWhenBusy : nextMs
  }

  /** @returns whether the batch is done with: it has arrived, or never will */
  async function send(sent: Batch, timeoutMs = callMsMax): Promise<boolean> {
    try {
      await channel.unary(recordMethod, sent.bytes, { timeoutMs })
      if (failures > 0) log.info('builds are reported to the console again')
    } catch (error) {
      if (!isHopeless(error)) return false
      drop(sent, error)
    }
    failures = 0
    attempts = 0
    return true
  }

  /** Counts a failure. @returns whether sending the batch again is pointless */
  function isHopeless(error: unknown): boolean {
    const code = error instanceof RpcError ? error.code : Code.UNKNOWN
    if (refusals.has(code)) return true
    failures += 1
    if (!closedDoors.has(code)) attempts += 1
    // The console starts and stops alongside this server: the first failures mean nothing.
    if (failures === 3)
      log.warn('builds cannot be reported to the console; they go on without it', { reason: messageOf(error) })
    return attempts >= attemptsMax
  }

  function drop({ events, dropped: untold }: Batch, error: unknown): void {
    refused += events + untold
    dropped.add(events)
    if (!hasWarnedOfRefusal)
      log.warn('the console refuses reports of builds, which are dropped', { events, reason: messageOf(error) })
    hasWarnedOfRefusal = true
  }

  return {
    recorder: list.recorder,
    async close() {
      closed = true
      list.close()
      cancel()
      await sending
      if (batch || list.size === 0) return
      await send(nextBatch(), closeMsMax)
    },
  }
}

/** A batch in flight. */
interface Batch {
  readonly bytes: Uint8Array
  readonly events: number
  /** Number of events that it reports as dropped before it. */
  readonly dropped: number
}

interface Taken {
  readonly events: readonly Seen[]
  readonly dropped: number
}

/** Each client's metadata is included once, however many of the events have it. */
function encodeBatch(run: Uint8Array, sequence: number, { events, dropped }: Taken): Uint8Array {
  const places = new Map<string, number>()
  const clients: Uint8Array[] = []
  function placeOf(metadata: string | undefined): number {
    if (metadata === undefined) return 0
    const known = places.get(metadata)
    if (known !== undefined) return known
    clients.push(Buffer.from(metadata, 'base64'))
    places.set(metadata, clients.length)
    return clients.length
  }
  const encoded = events.map((each) => eventOf(each, placeOf(each.metadata)))
  return consoleApi.RecordRequest.encode({ run, sequence, dropped, clients, events: encoded }).finish()
}

function eventOf(seen: Seen, client: number): consoleApi.Event.$Properties {
  if (seen.kind === 'traffic') {
    const { received, sent, saved } = seen
    return { at: seen.at, client, traffic: { received, sent, saved } }
  }
  const { action, instance } = seen
  const common = {
    at: seen.at,
    client,
    instanceName: instance,
    digestFunction: digestFunctions[action.fn].value,
    actionDigest: wireDigest(action),
  }
  switch (seen.kind) {
    case 'lookup': {
      const { answer, missing, evictedMs } = seen.found
      const blob = missing ? wireDigest(missing) : null
      return { ...common, lookup: { answer: answerValue[answer], missing: blob, evictedAgo: evictedMs ?? 0 } }
    }
    case 'update': {
      const { exitCode, executionMetadata } = seen.result
      return { ...common, update: { exitCode: exitCode ?? 0, metadata: executionMetadata ?? null } }
    }
    case 'repeat': {
      const { isSame, first, second } = seen.repeated
      return { ...common, repeat: isSame ? { same: true } : { same: false, first, second } }
    }
    case 'execution':
      return { ...common, execution: { ...seen.ended, metadata: seen.ended.metadata ?? null } }
  }
}
