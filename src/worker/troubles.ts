import type { Clock } from '../core/clock.ts'
import { machineTroubleOf, systemText } from './action-error.ts'
import type { Remover } from './remover.ts'

/** Problems of a worker's machine, for people who ask for its state. */
export interface Troubles {
  /** A system error kept an action from being performed. */
  note(error: unknown): void
  /** Whole sentences; none when all is well. */
  texts(): string[]
}

/** Problems last seen longer ago than this are over. */
const recentMs = 10 * 60_000

/** @param remover knows what cannot be removed */
export function createTroubles(clock: Clock, remover: Remover): Troubles {
  const met = new Map<string, { text: string; at: number; count: number }>()

  function recent(): string[] {
    const since = clock.now() - recentMs
    for (const [trouble, { at }] of met) if (at < since) met.delete(trouble)
    return [...met].map(
      ([trouble, { text, count }]) =>
        `actions had to be given back in the last minutes, since ${trouble} (${text}): ${count === 1 ? 'once' : `${count} times`}`,
    )
  }

  function left(): string[] {
    const { left, leftCount } = remover
    const [first] = left[0]?.first ?? []
    if (!first) return []
    const folders = leftCount === 1 ? 'a folder of an action' : `${leftCount} folders of actions`
    return [
      `${folders} cannot be removed: ${first.path} (${first.code}). Remove it by hand, as its owner or with sudo; the worker tries again when it starts`,
    ]
  }

  return {
    note(error) {
      const trouble = machineTroubleOf(error)
      if (trouble === undefined) return
      const count = (met.get(trouble)?.count ?? 0) + 1
      met.set(trouble, { text: systemText(error), at: clock.now(), count })
    },
    texts: () => [...recent(), ...left()],
  }
}
