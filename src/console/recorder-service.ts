import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import type { Secret } from '../core/secret.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { decodeMessage } from '../wire/decode.ts'
import { consoleApi } from '../wire/proto.ts'
import { type Call, Code, RpcError, type Service } from '../wire/rpc.ts'
import { isSigned } from '../wire/signed.ts'
import type { Comparer } from './comparer.ts'
import { eventsOf } from './events.ts'
import type { History } from './history.ts'
import type { Reader } from './reader.ts'

export interface RecorderParts {
  readonly history: History
  readonly reader: Pick<Reader, 'wake'>
  readonly clock: Clock
  readonly comparer: Pick<Comparer, 'add'>
  readonly metrics: Metrics
  readonly secret: Secret | undefined
}

const runBytesMax = 64

/** native.console.v1.Recorder: events from the cache and the scheduler. */
export function recorderService({ history, reader, comparer, clock, metrics, secret }: RecorderParts): Service {
  const taken = metrics.counter('native_console_events_total', 'Events that have been taken down.').of({})
  const unreadable = metrics.counter('native_console_unreadable_total', 'Events that made no sense.').of({})
  const dropped = metrics.counter('native_console_lost_total', 'Events that servers had to drop.').of({})

  function record(bytes: Buffer, call: Call): Uint8Array {
    if (secret && !isSigned(secret, bytes, call))
      throw new RpcError(Code.PERMISSION_DENIED, 'only the servers of this cluster tell the console of builds')
    const request = decodeMessage(consoleApi.RecordRequest, bytes)
    if (request.run.length === 0 || request.run.length > runBytesMax)
      throw new Failure('invalid', `run has ${request.run.length} bytes; 1 to ${runBytesMax} are expected`)
    const batch = eventsOf(request)
    const { run, sequence, dropped: lost } = request
    const written = history.use(({ ingest }) =>
      ingest.add({ run, sequence, dropped: lost, events: batch.events }, clock.now()),
    )
    if (written) {
      taken.add(batch.events.length)
      unreadable.add(batch.unreadable)
      dropped.add(lost)
      reader.wake()
      comparer.add(written.different)
    }
    return consoleApi.RecordResponse.encode({}).finish()
  }

  return { name: 'native.console.v1.Recorder', methods: { Record: { kind: 'unary', handle: record } } }
}
