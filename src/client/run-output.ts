import { workerApi } from '../wire/proto.ts'
import type { Channel } from '../wire/rpc.ts'
import type { OutputStream } from './follow.ts'

const method = 'native.worker.v1.Status/FollowOutput'

/** Events of running actions, in order. */
export type RunEvent =
  | FlightEvent
  | ({ readonly kind: 'begun'; readonly run: number } & RunFacts)
  | {
      readonly kind: 'output'
      readonly run: number
      readonly stream: OutputStream
      readonly data: Uint8Array
      /** Bytes of the stream before these that are no longer available. */
      readonly lost: number
    }
  /** @param broken why it ended early; empty if it did not */
  | { readonly kind: 'ended'; readonly run: number; readonly broken: string }

/** Waiting and running actions among those followed. */
export interface FlightEvent {
  readonly kind: 'flight'
  readonly operations: number
  /** Some of the builds that they belong to; empty for a client that names none. */
  readonly invocations: readonly string[]
  /** Runs whose output is left out because there are too many. */
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
  /** Prefix of their clients' invocation ids; all of them when absent or empty. */
  readonly invocationPrefix?: string
  /**
   * The hash of their action's digest, likewise. A scheduler of an earlier release reports other actions nevertheless.
   */
  readonly actionHash?: string
}

/**
 * Follows what actions print, on one of our schedulers: those running now and those that start later, without end.
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

/** Undefined for an event kind of a later release. */
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
