import type { Clock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'
import { wait } from '../../host/wait.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { unpackAny } from '../../wire/any.ts'
import { decodeMessage } from '../../wire/decode.ts'
import { bep, type bes } from '../../wire/proto.ts'
import { isUnfit } from '../database.ts'
import type { History } from '../history.ts'
import type { Arrived } from './arrived.ts'
import type { KeptStreams, Reception, StreamEvent } from './keep.ts'
import type { Place } from './open-streams.ts'
import { momentOf } from './times.ts'
import { type Told, toldBy } from './told.ts'

export interface IntakeParts {
  readonly history: History
  readonly clock: Clock
  readonly metrics: Metrics
}

/**
 * Stores events, waiting if necessary until the history is writable again.
 * @returns how many of them are stored now: all up to the first gap
 * @throws Failure when the history could not be written for too long
 */
export type Intake = (arrived: readonly Arrived[], place: Place, signal: AbortSignal) => Promise<number>

/** How long a call waits for a history that cannot be written, and how often it retries, in milliseconds. */
const patienceMsMax = 5 * 60_000
const againMs = 1_000

/** Puts the events of build tools into the history, and counts them. */
export function createIntake({ history, clock, metrics }: IntakeParts): Intake {
  const taken = metrics
    .counter('native_console_build_events_total', 'Events of build tools that have been kept.')
    .of({})
  const repeated = metrics
    .counter('native_console_build_events_repeated_total', 'Events of build tools that were there before.')
    .of({})
  const unreadable = metrics
    .counter('native_console_build_events_unreadable_total', 'Events of build tools that made no sense.')
    .of({})

  /** The content of an event. A malformed one is acknowledged all the same: sending it again would not help. */
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

  /** @returns how many of the events are stored now: all up to the first gap */
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

  /**
   * One by one, because one of them violates a constraint: of that one, only its number is recorded, since it would
   * fail again if resent.
   */
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

  async function keepInTime(arrived: readonly Arrived[], place: Place, signal: AbortSignal): Promise<number> {
    const events = arrived.map(eventOf)
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

  return keepInTime
}
