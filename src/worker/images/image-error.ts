import { Failure, messageOf } from '../../core/failure.ts'
import { isMachineError } from '../action-error.ts'

/**
 * An image that cannot be obtained is FAILED_PRECONDITION, whatever the reason, as the action's set-up failed: a
 * registry that does not answer cannot be told from one that does not exist, and UNAVAILABLE would make one worker
 * after the other rest because of a client's typing error. Trouble with this machine itself keeps its own status.
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
