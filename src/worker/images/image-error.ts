import { Failure, messageOf } from '../../core/failure.ts'
import { isMachineError } from '../action-error.ts'

/**
 * An image that cannot be had is the action's set-up that failed, FAILED_PRECONDITION, whatever the reason: a registry that does
 * not answer cannot be told from one that does not exist, and as UNAVAILABLE it would have one worker after the other rest for
 * what a client has mistyped. This machine's own trouble stays what it is.
 */
export function imageError(reference: string, error: unknown): unknown {
  if (isMachineError(error)) return error
  const facts = error instanceof Failure ? error : undefined
  const where = facts?.where === undefined ? '' : ` (${facts.where})`
  return new Failure('precondition', `the image ${reference} cannot be used: ${messageOf(error)}${where}`, {
    next: facts?.next ?? [],
    cause: error,
  })
}
