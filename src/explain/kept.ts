import type { BuildRecord, LocalHistory } from '../core/build-history.ts'
import { type ExplainOptions, type Explanation, explainBuild } from './build.ts'

/** Cached explanations, each of a few hundred kB at most. */
const keptMax = 20

/** Explains builds as explainBuild does, each only once until the history is written again. */
export function keepExplanations(
  history: LocalHistory,
): (build: BuildRecord, options: ExplainOptions) => Promise<Explanation> {
  const kept = new Map<string, Explanation>()
  let revision = 0

  return async (build, options) => {
    const asked = history.revision()
    if (asked !== revision) kept.clear()
    revision = asked
    const { target, hashPrefix } = options.subject ?? {}
    const key = JSON.stringify([build.id, target, hashPrefix, options.against])
    const known = kept.get(key)
    if (known) return known
    const explanation = await explainBuild(history, build, options)
    const [oldest] = kept.keys()
    if (kept.size >= keptMax && oldest !== undefined) kept.delete(oldest)
    // It may have missed what was written meanwhile.
    if (history.revision() === asked && revision === asked) kept.set(key, explanation)
    return explanation
  }
}
