import type { Clock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import { wait } from '../../host/wait.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { unpackAny } from '../../wire/any.ts'
import { decodeMessage } from '../../wire/decode.ts'
import { bep, bes } from '../../wire/proto.ts'
import { type Call, Code, type Messages, RpcError, type Send, type Service } from '../../wire/rpc.ts'
import { isUnfit } from '../database.ts'
import type { History } from '../history.ts'
import { batchesOf } from './batches.ts'
import type { KeptStreams, Reception, StreamEvent } from './keep.ts'
import { createOpenStreams, type Place } from './open-streams.ts'
import { momentOf } from './times.ts'
import { type Told, toldBy } from './told.ts'

export interface BesParts {
  readonly history: History
  readonly clock: Clock
  readonly metrics: Metrics
}

/** A command line may be long, and a piece of output too. */
const eventBytesMax = 16 * 1024 * 1024
const idCharactersMax = 200
/** More events than a build has; what is missing before one is added up in a number. */
const sequenceMax = 1_000_000_000
/** How long a call waits for a history that cannot be written, and how often it tries, in milliseconds. */
const patienceMsMax = 5 * 60_000
const againMs = 1_000
/** What goes into one transaction: some milliseconds of work. */
const batchBounds = { countMax: 200, bytesMax: 1024 * 1024 }

/**
 * google.devtools.build.v1.PublishBuildEvent: what a build tool tells of its builds. Each event is acknowledged when it
 * is on disk, in the order of the numbers; what has arrived by then goes into one transaction. Nothing else waits in memory,
 * and the client has to wait meanwhile. So it does while nothing can be written: Bazel goes on with the next build then, where after an error it would
 * try again and hold that up. In the end the call fails with a status at which clients send again what was not acknowledged.
 */
export function besService({ history, clock, metrics }: BesParts): Service {
  const taken = metrics
    .counter('native_console_build_events_total', 'Events of build tools that have been kept.')
    .of({})
  const repeated = metrics
    .counter('native_console_build_events_repeated_total', 'Events of build tools that were there before.')
    .of({})
  const unreadable = metrics
    .counter('native_console_build_events_unreadable_total', 'Events of build tools that made no sense.')
    .of({})
  const open = createOpenStreams()

  /** What the event tells. One that makes no sense is acknowledged all the same: it would not make more when it came again. */
  function toldIn(event: bes.IBuildEvent | null | undefined): Told | undefined {
    const bytes = unpackAny(event?.bazelEvent, 'build_event_stream.BuildEvent')
    if (!bytes) return undefined
    try {
      return toldBy(decodeMessage(bep.BuildEvent, bytes), momentOf(event?.eventTime) ?? Math.round(clock.now()))
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      unreadable.add(1)
      return undefined
    }
  }

  function eventOf({ stream, streamId, sequence, event }: Arrived): StreamEvent {
    return {
      stream,
      invocation: streamId.invocationId ?? '',
      correlated: streamId.buildId ?? '',
      sequence,
      at: Math.round(clock.now()),
      last: Boolean(event?.componentStreamFinished),
      told: toldIn(event),
    }
  }

  /** @returns how many of the events are kept now: all up to the first gap */
  function keep(events: readonly StreamEvent[]): number {
    const receptions = history.use(({ streams }) => {
      try {
        return streams.add(events)
      } catch (error) {
        if (!isUnfit(error)) throw error
        return keepEach(streams, events)
      }
    })
    const kept = receptions.filter((each) => each === 'kept').length
    const before = receptions.filter((each) => each === 'repeated').length
    taken.add(kept)
    repeated.add(before)
    return kept + before
  }

  /** One by one, since one of them does not fit: that is kept by its number alone, for it fits no better when it comes again. */
  function keepEach(streams: KeptStreams, events: readonly StreamEvent[]): Reception[] {
    const receptions: Reception[] = []
    for (const event of events) {
      try {
        receptions.push(...streams.add([event]))
      } catch (error) {
        if (!isUnfit(error)) throw error
        unreadable.add(1)
        receptions.push(...streams.add([{ ...event, told: undefined }]))
      }
      if (receptions.at(-1) === 'gap') break
    }
    return receptions
  }

  /** Keeps events, if need be once the history can be written again; as keep. */
  async function keepInTime(events: readonly StreamEvent[], place: Place, signal: AbortSignal): Promise<number> {
    const until = clock.now() + patienceMsMax
    for (;;) {
      try {
        return keep(events)
      } catch (error) {
        const passing = error instanceof Failure && (error.kind === 'exhausted' || error.kind === 'unavailable')
        if (!passing || clock.now() >= until) throw error
      }
      await place.wait(wait(againMs, clock, signal))
    }
  }

  async function publish(requests: Messages, call: Call, send: Send): Promise<void> {
    let place: Place | undefined
    const batches = batchesOf(requests, batchBounds)
    try {
      for (;;) {
        const next = batches.next()
        const batch = await (place?.wait(next) ?? next)
        if (!batch) return
        const arrived: Arrived[] = []
        let fault: unknown
        try {
          for (const bytes of batch) {
            const each = arrivedIn(bytes)
            place ??= open.enter(each.stream)
            if (each.stream !== place.stream)
              throw new Failure('invalid', 'stream_id: it differs from that of the events before it in this call')
            arrived.push(each)
          }
        } catch (error) {
          // What came before it is kept and acknowledged first.
          fault = error
        }
        if (place && arrived.length > 0) await keepAndTell(arrived, place, call.signal, send)
        if (fault !== undefined) throw fault
      }
    } finally {
      place?.leave()
      await batches.close()
    }
  }

  async function keepAndTell(
    arrived: readonly Arrived[],
    place: Place,
    signal: AbortSignal,
    send: Send,
  ): Promise<void> {
    place.touch()
    const kept = await keepInTime(arrived.map(eventOf), place, signal)
    for (const { streamId, sequence: sequenceNumber } of arrived.slice(0, kept)) {
      const room = send(bes.PublishBuildToolEventStreamResponse.encode({ streamId, sequenceNumber }).finish())
      if (room) await place.wait(room)
    }
    const missing = arrived[kept]
    if (missing) throw new RpcError(Code.ABORTED, `events before ${missing.sequence} are missing: send them first`)
  }

  /** The tool's own stream tells the same and more: it is only looked at whether this one makes sense. */
  function publishLifecycle(bytes: Buffer): Uint8Array {
    const { buildEvent } = decodeMessage(bes.PublishLifecycleEventRequest, bytes)
    if (!buildEvent?.streamId?.buildId) throw new Failure('invalid', 'build_event.stream_id.build_id is missing')
    return new Uint8Array(0)
  }

  return {
    name: 'google.devtools.build.v1.PublishBuildEvent',
    methods: {
      PublishLifecycleEvent: { kind: 'unary', handle: publishLifecycle },
      PublishBuildToolEventStream: { kind: 'bidi', handle: publish, requestBytesMax: eventBytesMax },
    },
  }
}

interface Arrived {
  /** A name of the stream that no other has. */
  readonly stream: string
  readonly streamId: bes.IStreamId
  readonly sequence: number
  readonly event: bes.IBuildEvent | null | undefined
}

/** @throws Failure 'invalid' */
function arrivedIn(bytes: Uint8Array): Arrived {
  const { orderedBuildEvent } = decodeMessage(bes.PublishBuildToolEventStreamRequest, bytes)
  const { streamId, sequenceNumber: sequence, event } = orderedBuildEvent ?? {}
  const { buildId, invocationId, component } = streamId ?? {}
  if (!streamId || !invocationId) throw new Failure('invalid', 'stream_id.invocation_id is missing')
  if (invocationId.length > idCharactersMax || (buildId ?? '').length > idCharactersMax)
    throw new Failure('invalid', `stream_id: an id has more than ${idCharactersMax} characters`)
  if (typeof sequence !== 'number' || !Number.isSafeInteger(sequence) || sequence < 1 || sequence > sequenceMax)
    throw new Failure('invalid', `sequence_number: numbers are from 1 to ${sequenceMax}`)
  return { stream: JSON.stringify([buildId, invocationId, component]), streamId, sequence, event }
}
