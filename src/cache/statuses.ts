import type { Log } from '../telemetry/log.ts'
import { rpc } from '../wire/proto.ts'
import { isBug, statusMessage, toRpcError } from '../wire/status.ts'

/** The code of a status without its text. */
export function bareStatus(status: Uint8Array): Uint8Array {
  return rpc.Status.encode({ code: rpc.Status.decode(status).code }).finish()
}

/**
 * A serialised google.rpc.Status for one blob of a batch; our bugs go to the log.
 * @param described false leaves the code alone: very many texts would not fit into a message
 */
export function statusOf(error: unknown, log: Log, described = true): Uint8Array {
  if (isBug(error)) log.error('storing or reading a blob of a batch failed because of a bug', { error })
  const status = statusMessage(toRpcError(error))
  return rpc.Status.encode(described ? status : { code: status.code ?? 0 }).finish()
}
