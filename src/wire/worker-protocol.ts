import { Code, RpcError } from './rpc.ts'

/** The protocol version of worker and scheduler (worker.proto); it grows when both have to agree on something new. */
export const workerProtocol = 1
/** The oldest version that this release still speaks. A release that does not say speaks this one. */
const workerProtocolMin = 1

/** One end of a worker's stream, as it introduces itself. */
export interface WorkerPeer {
  /** For people: `worker laptop`, `the scheduler`. */
  readonly what: string
  /** Its release. */
  readonly version: string
  /** 0 if it does not say. */
  readonly protocol: number
}

/**
 * Checks that this release can work with the other.
 * @param own what this end is
 * @throws RpcError FAILED_PRECONDITION that names both releases and both versions
 */
export function assertSpeaks(other: WorkerPeer, own: Pick<WorkerPeer, 'what' | 'version'>): void {
  const protocol = other.protocol || workerProtocolMin
  if (protocol >= workerProtocolMin && protocol <= workerProtocol) return
  throw new RpcError(
    Code.FAILED_PRECONDITION,
    `${spoken(other, protocol)}, and ${spoken(own, workerProtocol)}: install the same release on both machines`,
  )
}

function spoken({ what, version }: Pick<WorkerPeer, 'what' | 'version'>, protocol: number): string {
  return `${what} is release ${version === '' ? 'unknown' : version} and speaks version ${protocol} of the workers' protocol`
}
