import type { ActionMark, LocalHistory } from '../core/build-history.ts'
import type { Clock } from '../core/clock.ts'
import type { Explained } from './why.ts'

/**
 * Why actions of a build that goes on were not cached, each found once, when all has been heard of it. So little is left
 * to do at the end of a build of ten thousand actions.
 */
export interface Settled {
  /** Begins to look at all actions of the build as they are now. */
  begin(): Round
}

export interface Round {
  /** A page of the actions. If it tells of anything late, what is known is forgotten. */
  look(marks: readonly ActionMark[]): void
  /** They were all looked at. */
  looked(): void
  /** What was found of an action that is as it was. */
  of(mark: ActionMark): Explained | undefined
  /** Has all been heard of it, and of those that made what it reads? */
  takes(mark: ActionMark): boolean
  keep(mark: ActionMark, explained: Explained): void
}

/** How much later than another server's a server's reports may come, in milliseconds. */
export const lateMs = 3_000
/** Actions of a build, some 20 MB; more are found anew each time. */
const keptMax = 20_000

/**
 * What an action is compared with, and what made its inputs, was there before it. So it stays as it is once reports of
 * that time have come in and what these name has been read.
 */
export function createSettled(history: Pick<LocalHistory, 'learningSince'>, clock: Clock): Settled {
  const kept = new Map<number, { readonly state: string; readonly explained: Explained }>()
  /** How far the last round went: in rows, and in time. */
  let lastRow = 0
  let settledAt = Number.NEGATIVE_INFINITY

  function isLate({ row, lastSeen, state }: ActionMark): boolean {
    return lastSeen <= settledAt && (row > lastRow || (kept.get(row)?.state ?? state) !== state)
  }

  return {
    begin() {
      const until = Math.min(clock.now(), history.learningSince() ?? Number.POSITIVE_INFINITY) - lateMs
      let row = 0
      const takes = ({ lastSeen }: ActionMark) => lastSeen <= until
      return {
        look(marks) {
          if (marks.some(isLate)) kept.clear()
          row = marks.at(-1)?.row ?? row
        },
        looked() {
          lastRow = Math.max(lastRow, row)
          settledAt = Math.max(settledAt, until)
        },
        of(mark) {
          const known = kept.get(mark.row)
          return known?.state === mark.state ? known.explained : undefined
        },
        takes,
        keep(mark, explained) {
          if (takes(mark) && (kept.has(mark.row) || kept.size < keptMax))
            kept.set(mark.row, { state: mark.state, explained })
        },
      }
    },
  }
}
