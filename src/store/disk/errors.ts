import { Failure, type FailureKind, messageOf } from '../../core/failure.ts'
import { systemFailure } from '../../host/system-errors.ts'

/** System errors about a disk. Of a blob it says nothing: 'not-found' would tell a client that there is none. */
const ofDisk: ReadonlySet<FailureKind> = new Set(['exhausted', 'unavailable', 'denied'])

/**
 * What a system error means while the store is at work on files of its own: for one that is gone the store is to blame.
 * @param doing what was being done, as in "writing to a segment"
 */
export function diskFailure(error: unknown, doing: string, where: string): Failure {
  if (error instanceof Failure) return error
  const failure = systemFailure(error, { doing, where })
  if (failure instanceof Failure && ofDisk.has(failure.kind)) return failure
  return new Failure('internal', `${doing}: ${messageOf(error)}`, { where, cause: error })
}
