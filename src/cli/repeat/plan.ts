import type { ActionOutcome, ActionRecord, BuildHistory } from '../../core/build-history.ts'
import { digestKey } from '../../core/digest.ts'
import { findBuild, findSubject } from '../../explain/find.ts'

/** What to run again. */
export interface Planned {
  /** The build's full id. */
  readonly build: string
  readonly actions: readonly ActionRecord[]
  /** Actions beyond the limit. */
  readonly left: number
}

const pageMax = 1_000

/**
 * A build's actions, each once, in the order in which they were first seen.
 * @param what the beginning of a build's id; the last build if absent
 * @param outcomes the ones to include; all if absent
 * @throws Failure 'not-found' for an unknown build
 */
export async function planActions(
  history: BuildHistory,
  what: string | undefined,
  limit: number,
  outcomes?: readonly ActionOutcome[],
): Promise<Planned> {
  const build = what === undefined ? (await findSubject(history, undefined)).build : await findBuild(history, what)
  const actions = new Map<string, ActionRecord>()
  let left = 0
  for (let after = 0, full = true; full; ) {
    const page = await history.actions({
      build: build.id,
      ...(outcomes && { outcomes }),
      limit: pageMax,
      after,
    })
    for (const each of page) {
      const key = digestKey(each.digest)
      if (actions.size < limit) actions.set(key, each)
      else if (!actions.has(key)) left += 1
    }
    full = page.length === pageMax
    after = page.at(-1)?.row ?? after
  }
  return { build: build.id, actions: [...actions.values()], left }
}
