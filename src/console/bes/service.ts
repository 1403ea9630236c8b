import { Failure } from '../../core/failure.ts'
import { decodeMessage } from '../../wire/decode.ts'
import { bes } from '../../wire/proto.ts'
import { type Call, Code, type Messages, RpcError, type Send, type Service } from '../../wire/rpc.ts'
import { type Arrived, arrivedIn } from './arrived.ts'
import { batchesOf } from './batches.ts'
import { createIntake, type IntakeParts } from './intake.ts'
import { createOpenStreams, type Place } from './open-streams.ts'

/** A command line may be long, and a piece of output too. */
const eventBytesMax = 16 * 1024 * 1024
/** What goes into one transaction: some milliseconds of work. */
const batchBounds = { countMax: 200, bytesMax: 1024 * 1024 }

/**
 * google.devtools.build.v1.PublishBuildEvent: what a build tool tells of its builds. Each event is acknowledged when it
 * is on disk, in the order of the numbers; what has arrived by then goes into one transaction. Nothing else waits in memory,
 * and the client has to wait meanwhile. So it does while nothing can be written: Bazel goes on with the next build then, where after an error it would
 * try again and hold that up. In the end the call fails with a status at which clients send again what was not acknowledged.
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
    const kept = await keep(arrived, place, signal)
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
