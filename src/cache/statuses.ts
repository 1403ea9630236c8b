import type { Log } from '../telemetry/log.ts'
import { rpc } from '../wire/proto.ts'
import { isBug, statusMessage, toRpcError } from '../wire/status.ts'

/** A serialised google.rpc.Status for one blob of a batch; our bugs go to the log. */
export function statusOf(error: unknown, log: Log): Uint8Array {
  if (isBug(error)) log.error('a blob of a batch met a bug', { error })
  return rpc.Status.encode(statusMessage(toRpcError(error))).finish()
}
