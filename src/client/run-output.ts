import { workerApi } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'
import type { OutputStream } from './follow.ts'

const method = 'native.worker.v1.Status/FollowOutput'

/** What is told of running actions, in the order in which it happens. */
export type RunEvent =
  | FlightEvent
  | ({ readonly kind: 'begun'; readonly run: number } & RunFacts)
  | {
      readonly kind: 'output'
      readonly run: number
      readonly stream: OutputStream
      readonly data: Uint8Array
      /** Bytes of the stream before these that nobody has any more. */
      readonly lost: number
    }
  /** @param broken why it did not come to its end; empty when it did */
  | { readonly kind: 'ended'; readonly run: number; readonly broken: string }

/** What waits or runs of those that are followed. */
export interface FlightEvent {
  readonly kind: 'flight'
  readonly operations: number
  /** Some of the builds that they belong to; empty of a client that names none. */
  readonly invocations: readonly string[]
  /** Runs whose output is not told, since there are too many. */
  readonly skipped: number
}

export interface RunFacts {
  readonly invocation: string
  readonly target: string
  readonly mnemonic: string
  /** `hash/size` */
  readonly action: string
  readonly worker: string
}

/** Which runs are followed. */
export interface WantedRuns {
  /** What the invocations of their clients begin with; all of them when absent or empty. */
  readonly invocationPrefix?: string
  /** The hash of their action's digest, likewise. A scheduler of an earlier release tells of other actions nevertheless. */
  readonly actionHash?: string
}

/**
 * Follows what actions print, on one of our schedulers: of those that run and those that begin later, without an end.
 * @throws RpcError; UNIMPLEMENTED from a scheduler that is not ours or of an earlier release
 */
export async function* followRuns(
  scheduler: Channel,
  wanted: WantedRuns,
  signal: AbortSignal,
): AsyncGenerator<RunEvent> {
  const request = workerApi.FollowOutputRequest.encode(wanted).finish()
  for await (const bytes of scheduler.serverStream(method, request, { signal })) {
    const event = runEvent(workerApi.OutputEvent.decode(bytes))
    if (event) yield event
  }
}

/** Undefined for a kind of event that a later release has. */
function runEvent({ run, flight, begun, output, ended }: workerApi.OutputEvent): RunEvent | undefined {
  if (flight) {
    const { operations, invocations, skipped } = flight
    return { kind: 'flight', operations: operations ?? 0, invocations: invocations ?? [], skipped: skipped ?? 0 }
  }
  if (begun) {
    const { invocation, target, mnemonic, actionDigest, worker } = begun
    return {
      kind: 'begun',
      run,
      invocation: invocation ?? '',
      target: target ?? '',
      mnemonic: mnemonic ?? '',
      action: `${actionDigest?.hash ?? ''}/${actionDigest?.sizeBytes ?? 0}`,
      worker: worker ?? '',
    }
  }
  if (output) {
    const { stream, data, lost } = output
    return {
      kind: 'output',
      run,
      stream: stream === workerApi.Output.Stream.STDERR ? 'stderr' : 'stdout',
      data: data ?? new Uint8Array(),
      lost: lost ?? 0,
    }
  }
  return ended ? { kind: 'ended', run, broken: ended.broken ?? '' } : undefined
}
