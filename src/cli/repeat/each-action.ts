import { forEachLimited } from '../../client/parallel.ts'
import type { ActionRecord } from '../../core/build-history.ts'
import { Failure, messageOf } from '../../core/failure.ts'
import { Code, RpcError } from '../../wire/rpc.ts'

/** Why a check ended before its last action. */
export interface Stopped {
  /** Actions that were not started. */
  readonly actions: number
  /** The last error's message. */
  readonly message: string
}

/**
 * What an error is about: one action, a server that does not answer, the caller (who will be refused every time), or
 * none of these, which is our bug.
 */
export type Concern = 'action' | 'server' | 'caller' | 'unknown'

/** An action that crashes its worker each time is UNAVAILABLE too, so one is not enough. */
const unavailableInARowMax = 3
const callerCodes: ReadonlySet<Code> = new Set([Code.PERMISSION_DENIED, Code.UNAUTHENTICATED, Code.UNIMPLEMENTED])
const callerKinds: ReadonlySet<string> = new Set(['denied', 'unimplemented'])

export function concernOf(error: unknown): Concern {
  if (error instanceof RpcError) {
    if (error.code === Code.UNAVAILABLE) return 'server'
    return callerCodes.has(error.code) ? 'caller' : 'action'
  }
  if (!(error instanceof Failure) || error.kind === 'internal') return 'unknown'
  if (error.kind === 'unavailable') return 'server'
  return callerKinds.has(error.kind) ? 'caller' : 'action'
}

/**
 * Does something with each action, several at once. If an action fails, that is reported and the others go on, unless
 * the caller is refused or several in a row met an unreachable server: then those in progress are awaited, no more are
 * started, and what was found stands.
 * @param failed called for each action that ended with an error about it or the server
 * @returns why not all were started; undefined if they were
 * @throws the error if no action ended in any other way; our bugs; the signal's reason
 */
export async function eachAction(
  actions: readonly ActionRecord[],
  { jobs, signal }: { readonly jobs: number; readonly signal: AbortSignal },
  work: (record: ActionRecord) => Promise<void>,
  failed: (record: ActionRecord, error: unknown) => void,
): Promise<Stopped | undefined> {
  let [begun, answered, inARow, isOver] = [0, 0, 0, false]
  let last: unknown
  await forEachLimited(actions, jobs, async (record) => {
    if (isOver) return
    begun += 1
    try {
      await work(record)
      answered += 1
      inARow = 0
    } catch (error) {
      if (signal.aborted) throw signal.reason
      const concern = concernOf(error)
      if (concern === 'unknown') throw error
      failed(record, error)
      if (concern === 'action') {
        answered += 1
        inARow = 0
        return
      }
      last = error
      inARow += 1
      isOver ||= concern === 'caller' || inARow === unavailableInARowMax
    }
  })
  if (last !== undefined && answered === 0) throw last
  return isOver ? { actions: actions.length - begun, message: messageOf(last) } : undefined
}
