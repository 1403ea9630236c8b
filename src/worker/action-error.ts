import { errnoOf, Failure, messageOf } from '../core/failure.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { missingBlobs, toRpcError } from '../wire/status.ts'
import { MissingInputs } from './missing-inputs.ts'

/** Kills an action; its words reach the client. */
export class ActionCancelled extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'ActionCancelled'
  }
}

/** The machine's state rather than the action's fault. */
const machineErrors = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EIO', 'EROFS'])

/** The status of an action that could not be performed. */
export function actionError(error: unknown, signal: AbortSignal): RpcError {
  if (signal.aborted) return new RpcError(Code.CANCELLED, messageOf(signal.reason), [], error)
  if (error instanceof MissingInputs)
    return missingBlobs(error.digests, `${error.digests.length} blobs that the action needs are not in the storage`)
  const code = errnoOf(error)
  if (code === undefined) return toRpcError(error)
  return toRpcError(
    new Failure(machineErrors.has(code) ? 'unavailable' : 'precondition', `on the worker: ${messageOf(error)}`, {
      cause: error,
    }),
  )
}
