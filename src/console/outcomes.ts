import { type ActionOutcome, actionOutcomes } from '../core/build-history.ts'
import { Code } from '../wire/rpc.ts'

/** The column of `builds` that counts each outcome. */
export const countColumns: Readonly<Record<ActionOutcome, string>> = {
  hit: 'hits',
  missed: 'missed',
  executed: 'executed',
  local: 'local',
  failed: 'failed',
}

/** An outcome as stored in a table. */
export function outcomeNumber(outcome: ActionOutcome): number {
  return actionOutcomes.indexOf(outcome)
}

/**
 * An action's outcome after one more event. The cache and the scheduler report independently, so the first event may
 * arrive last: a run outweighs a lookup, and the last run counts.
 */
export function outcomeAfter(before: ActionOutcome | undefined, seen: ActionOutcome): ActionOutcome {
  if (before === undefined || before === 'missed') return seen
  if (seen === 'missed') return before
  return seen === 'hit' ? before : seen
}

/** The outcome of a finished Execute. */
export function outcomeOfExecution(ended: { cached: boolean; status: number; exitCode: number }): ActionOutcome {
  // Nobody knows how a cancelled one would have ended.
  if (ended.status === Code.CANCELLED) return 'missed'
  if (ended.status !== Code.OK || ended.exitCode !== 0) return 'failed'
  return ended.cached ? 'hit' : 'executed'
}
