import { setImmediate } from 'node:timers/promises'
import type { ActionRecord, BuildHistory, BuildRecord } from '../core/build-history.ts'
import type { Clock } from '../core/clock.ts'
import { type CriticalPath, criticalPath } from '../explain/critical-path.ts'
import type { Explanations } from '../explain/explanations.ts'
import { hasEnded, heardOf } from '../explain/heard.ts'
import { createKept } from './kept.ts'
import type { Sources } from './sources.ts'

/** Actions whose times are used for a build's page. */
const timedMax = 20_000
const pageMax = 1_000
/** Builds whose actions are cached while pages of them are open: up to some 20 MB each. */
const buildsKeptMax = 3

/** What several pages of a build need of all its actions, cached until more is heard of the build. */
export interface BuildActions {
  /** Up to 20,000. */
  actionsOf(build: BuildRecord): Promise<readonly ActionRecord[]>
  criticalOf(build: BuildRecord): Promise<CriticalPath>
}

export function createBuildActions(
  history: Sources['history'],
  explanations: Pick<Explanations, 'isFinal'>,
  clock: Clock,
): BuildActions {
  const actionsKept = createKept<readonly ActionRecord[]>(history, clock, buildsKeptMax)
  const pathsKept = createKept<CriticalPath>(history, clock, buildsKeptMax)

  function actionsOf(build: BuildRecord): Promise<readonly ActionRecord[]> {
    return actionsKept.of(keyOf(build), () => pagesOf(history, build.id))
  }

  function keyOf(build: BuildRecord): string {
    // Nothing new would lead back to actions that were missed at the end.
    const end = hasEnded(build, clock.now()) ? [heardOf(build), explanations.isFinal(build)] : []
    return JSON.stringify([build.id, ...end])
  }

  return {
    actionsOf,
    criticalOf: (build) => pathsKept.of(keyOf(build), async () => criticalPath(history, await actionsOf(build))),
  }
}

async function pagesOf(history: Pick<BuildHistory, 'actions'>, build: string): Promise<readonly ActionRecord[]> {
  const actions: ActionRecord[] = []
  while (actions.length < timedMax) {
    const next = await history.actions({ build, limit: pageMax, after: actions.at(-1)?.row ?? 0 })
    actions.push(...next)
    if (next.length < pageMax) break
    // A page of actions is read in one turn; yield in between.
    await setImmediate()
  }
  return actions
}
