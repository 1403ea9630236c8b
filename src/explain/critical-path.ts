import { setImmediate } from 'node:timers/promises'
import type { ActionRecord, LocalHistory } from '../core/build-history.ts'
import { createOutputs } from './build-outputs.ts'
import { makersOf } from './makers.ts'
import { loadFrom } from './messages.ts'

/** The actions of a build of which each waited for the one before it, up to the one that ended last. */
export interface CriticalPath {
  /** In the order of time. */
  readonly steps: readonly CriticalStep[]
  /** What is before the first of them: nothing of this build that it reads, something that is not known, or more than is shown. */
  readonly before: 'nothing' | 'unknown' | 'more'
}

export interface CriticalStep {
  readonly action: ActionRecord
  /** What it reads of the step before, from the input root; empty for the first. */
  readonly waitedFor: string
  /** From when a worker or the client had it until it was done, in milliseconds since 1970; both the same where it was cached. */
  readonly from: number
  readonly to: number
}

const stepsMax = 200

/**
 * Begins with the action that ended last and follows, from each, the last that ended of those which made its inputs. So it reads the
 * input trees of these few alone, where others would have to be read for the longest of all ways; and it is what the
 * build waited for, with as many workers as there were. The event loop gets its turns meanwhile.
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
    // What is said to have ended later cannot be what it waited for: clocks differ.
    const to = timeOf(action)
    const earlier = [...makers.found.keys()].filter((maker) => maker.row !== action.row && timeOf(maker) < to)
    const maker = latest(earlier)
    steps.unshift({ action, waitedFor: (maker && makers.found.get(maker)) ?? '', from: beginOf(action), to })
    if (!maker) return { steps, before: makers.isComplete ? 'nothing' : 'unknown' }
    if (steps.length === stepsMax) return { steps, before: 'more' }
    action = maker
  }
}

/** Directories that are read for one path. */
const directoriesMax = 20_000

function latest(actions: readonly ActionRecord[]): ActionRecord | undefined {
  let found: ActionRecord | undefined
  for (const each of actions) if (!found || timeOf(each) > timeOf(found)) found = each
  return found
}

/** Undefined while it runs, or where nobody saw what became of it. */
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
