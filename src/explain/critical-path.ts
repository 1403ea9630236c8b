import { setImmediate } from 'node:timers/promises'
import type { ActionRecord, LocalHistory } from '../core/build-history.ts'
import { createOutputs } from './build-outputs.ts'
import { makersOf } from './makers.ts'
import { loadFrom } from './messages.ts'

/** A chain of actions of a build, each of which waited for the one before, up to the one that ended last. */
export interface CriticalPath {
  /** In chronological order. */
  readonly steps: readonly CriticalStep[]
  /** What precedes the first: nothing of this build, something unknown, or more steps than are shown. */
  readonly before: 'nothing' | 'unknown' | 'more'
}

export interface CriticalStep {
  readonly action: ActionRecord
  /** The output of the previous step that it reads, relative to the input root; empty for the first. */
  readonly waitedFor: string
  /** From when a worker or the client had it until it was done, in milliseconds since 1970; equal if it was cached. */
  readonly from: number
  readonly to: number
}

const stepsMax = 200

/**
 * Begins with the action that ended last and, from each, goes to the last to end among those that made its inputs. So
 * it reads only the input trees of these few, while the longest of all paths would need many others; and it is what the
 * build actually waited for, given its workers. Yields to the event loop.
 * @param actions of one build
 */
export async function criticalPath(
  history: Pick<LocalHistory, 'blobs' | 'outputs'>,
  actions: readonly ActionRecord[],
): Promise<CriticalPath> {
  const ended = actions.filter((action) => endOf(action) !== undefined)
  const last = latest(ended)
  if (!last) return { steps: [], before: 'unknown' }
  const outputs = await createOutputs(history, ended)
  const load = loadFrom(history)
  const budget = { directories: directoriesMax }
  const steps: CriticalStep[] = []
  for (let action = last; ; ) {
    await setImmediate()
    const makers = await makersOf(action, outputs, load, budget)
    // What ended later according to another clock cannot be what it waited for.
    const to = timeOf(action)
    const earlier = [...makers.found.keys()].filter((maker) => maker.row !== action.row && timeOf(maker) < to)
    const maker = latest(earlier)
    steps.unshift({ action, waitedFor: (maker && makers.found.get(maker)) ?? '', from: beginOf(action), to })
    if (!maker) return { steps, before: makers.isComplete ? 'nothing' : 'unknown' }
    if (steps.length === stepsMax) return { steps, before: 'more' }
    action = maker
  }
}

/** Directories read for one path. */
const directoriesMax = 20_000

function latest(actions: readonly ActionRecord[]): ActionRecord | undefined {
  let found: ActionRecord | undefined
  for (const each of actions) if (!found || timeOf(each) > timeOf(found)) found = each
  return found
}

/** Undefined while it runs, or if its end was not seen. */
function endOf({ outcome, times, firstSeen, lastSeen }: ActionRecord): number | undefined {
  if (outcome === 'missed') return undefined
  return outcome === 'hit' ? firstSeen : (times.workerEnd ?? times.runEnd ?? lastSeen)
}

function timeOf(action: ActionRecord): number {
  return endOf(action) ?? 0
}

function beginOf(action: ActionRecord): number {
  const { outcome, times, firstSeen } = action
  const from = outcome === 'hit' ? firstSeen : (times.workerStart ?? times.runStart ?? firstSeen)
  return Math.min(from, timeOf(action))
}
