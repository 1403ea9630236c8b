import { getSystemErrorMessage } from 'node:util'
import { errnoOf, Failure, type FailureKind, messageOf } from '../core/failure.ts'
import { systemMeaning } from '../host/system-errors.ts'
import { Code, RpcError } from '../wire/rpc.ts'
import { missingBlobs, toRpcError } from '../wire/status.ts'
import { MissingInputs } from './missing-inputs.ts'

/** Kills an action; its message reaches the client. */
export class ActionCancelled extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'ActionCancelled'
  }
}

/** True for a system error that another machine would not have. */
export function isMachineError(error: unknown): boolean {
  return machineTroubleOf(error) !== undefined
}

/**
 * What is wrong with this machine, as the end of "the worker has a problem: "; undefined for what the action itself
 * caused. Trouble with the machine is 'unavailable', upon which the scheduler gives the action to another worker, and
 * is never cached; every other system error is 'precondition'.
 */
export function machineTroubleOf(error: unknown): string | undefined {
  const meaning = systemMeaning(systemErrorOf(error))
  return meaning?.ofMachine ? meaning.says : undefined
}

/** Inputs have their own error for a full disk once nothing is left to free (make-room.ts). */
function systemErrorOf(error: unknown): unknown {
  return error instanceof Failure && error.kind === 'exhausted' ? error.cause : error
}

/** A system error without the paths of this machine: `EACCES, permission denied`. */
export function systemText(thrown: unknown): string {
  const error = systemErrorOf(thrown)
  const code = errnoOf(error) ?? 'unknown'
  const errno = error instanceof Error && 'errno' in error ? error.errno : undefined
  return typeof errno === 'number' && errno < 0 ? `${code}, ${getSystemErrorMessage(errno)}` : code
}

/**
 * The status of an action that could not be performed. Its message reaches the client, so it contains no path of this
 * machine.
 */
export function actionError(error: unknown, signal: AbortSignal): RpcError {
  if (signal.aborted) return new RpcError(Code.CANCELLED, messageOf(signal.reason), [], error)
  if (error instanceof MissingInputs)
    return missingBlobs(error.digests, `${error.digests.length} blobs that the action needs are not in the storage`)
  const trouble = machineTroubleOf(error)
  if (trouble === undefined && errnoOf(error) === undefined) return toRpcError(error)
  const kind: FailureKind = trouble === undefined ? 'precondition' : 'unavailable'
  const what =
    trouble === undefined ? 'the worker could not perform the action' : `the worker has a problem: ${trouble}`
  return toRpcError(new Failure(kind, `${what} (${systemText(error)})`, { cause: error }))
}
