import type { ActionRecord, EarlierAction } from '../core/build-history.ts'
import { sameDigest } from '../core/digest.ts'

/**
 * What an action is compared with: the latest earlier run of the same target, mnemonic, configuration and first output
 * (the history determines these). An identical action, however old, comes first: then nothing has changed, and the
 * question is what happened to its result. Of several in one build, the most similar is taken.
 * @param candidates newest first
 */
export function predecessorOf(
  action: ActionRecord,
  candidates: readonly EarlierAction[] = [],
): EarlierAction | undefined {
  if (candidates.length <= 1) return candidates[0]
  let best: EarlierAction | undefined
  let most = -1
  for (const each of candidates) {
    const common = inCommon(action, each)
    if (common > most) [best, most] = [each, common]
  }
  return best
}

function inCommon(one: ActionRecord, other: EarlierAction): number {
  const same = (a: ActionRecord['command'], b: ActionRecord['command']) => Number(a && b ? sameDigest(a, b) : false)
  return (
    8 * Number(sameDigest(one.digest, other.digest)) +
    4 * Number(one.firstOutput === other.firstOutput) +
    2 * same(one.command, other.command) +
    same(one.inputRoot, other.inputRoot)
  )
}
