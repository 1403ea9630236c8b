import type { ActionRecord, LocalHistory } from '../core/build-history.ts'
import { Failure } from '../core/failure.ts'
import { compareActions, loadAction } from '../explain/compare.ts'
import { findSubject } from '../explain/find.ts'
import { loadFrom } from '../explain/messages.ts'
import { type Answer, ok } from './answer.ts'
import { comparePage } from './compare.ts'

/**
 * An action compared with another.
 * @param what the other: its digest or a prefix of it, a target, a path
 * @throws Failure 'not-found' if there is none, or neither history nor cache has them
 */
export async function compared(
  history: LocalHistory,
  action: ActionRecord,
  what: string,
  now: number,
): Promise<Answer> {
  const other = await otherOf(history, what.trim())
  const pair = other.row <= action.row ? ([other, action] as const) : ([action, other] as const)
  const load = loadFrom(history)
  const [one, two] = [await loadAction(pair[0].digest, load), await loadAction(pair[1].digest, load)]
  return ok(comparePage(pair, await compareActions(one, two, load), now))
}

async function otherOf(history: LocalHistory, what: string): Promise<ActionRecord> {
  if (what === '') throw new Failure('invalid', 'the action to compare with is missing')
  const { build, subject } = await findSubject(history, what)
  const [other] = await history.actions({ build: build.id, ...subject, limit: 1 })
  if (other) return other
  throw new Failure('not-found', `nothing that was built recently is called "${what}"`)
}
