import { Failure } from '../../core/failure.ts'
import { decodeMessage } from '../../wire/decode.ts'
import { bes } from '../../wire/proto.ts'
import { type Call, Code, type Messages, RpcError, type Send, type Service } from '../../wire/rpc.ts'
import { type Arrived, arrivedIn } from './arrived.ts'
import { batchesOf } from './batches.ts'
import { createIntake, type IntakeParts } from './intake.ts'
import { createOpenStreams, type Place } from './open-streams.ts'

/** A command line or a piece of output may be long. */
const eventBytesMax = 16 * 1024 * 1024
/** One transaction: a few milliseconds of work. */
const batchBounds = { countMax: 200, bytesMax: 1024 * 1024 }

/**
 * google.devtools.build.v1.PublishBuildEvent: what build tools report of their builds. Each event is acknowledged, in
 * order, once it is on disk; all that have arrived by then share a transaction. Nothing else is buffered, so the client
 * feels back-pressure. So it does while nothing can be written: Bazel then goes on with the next build, whereas after
 * an error it would retry and hold that up. In the end the call fails with a status on which clients resend what was
 * not acknowledged.
 */
export function besService(parts: IntakeParts): Service {
  const keep = createIntake(parts)
  const open = createOpenStreams()

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
          // What came before it is stored and acknowledged first.
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
    const kept = await keep(arrived, place, signal)
    for (const { streamId, sequence: sequenceNumber } of arrived.slice(0, kept)) {
      const room = send(bes.PublishBuildToolEventStreamResponse.encode({ streamId, sequenceNumber }).finish())
      if (room) await place.wait(room)
    }
    const missing = arrived[kept]
    if (missing) throw new RpcError(Code.ABORTED, `events before ${missing.sequence} are missing: send them first`)
  }

  /** The tool's own stream reports the same and more, so these events are only validated. */
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
