import type { DatabaseSync } from 'node:sqlite'
import { type ActionOutcome, actionOutcomes } from '../core/build-history.ts'
import { countColumns } from './outcomes.ts'

/** The changes of a batch to one build. */
export interface BuildChange {
  readonly counts: Record<ActionOutcome, number>
  instance: string
  received: number
  sent: number
  saved: number
  /** Actions that were run twice, and how many of them differ. */
  repeated: number
  different: number
  first: number
  last: number
  /** An action's outcome, if any, changes to another. */
  count(before: ActionOutcome | undefined, after: ActionOutcome): void
}

/** The changes of a batch to builds: each build is written once, however many events it has. */
export interface BuildChanges {
  /** @param build its number @param at time of an event, in milliseconds since 1970 */
  of(build: number, at: number): BuildChange
  /** @param dropped events lost since the previous batch @throws what SQLite throws */
  write(dropped: number): void
}

/** @returns a function that begins the changes of a batch */
export function prepareBuildChanges(database: DatabaseSync): () => BuildChanges {
  const counted = actionOutcomes.map((outcome) => `${countColumns[outcome]} = ${countColumns[outcome]} + ?`).join(', ')
  const update = database.prepare(
    `UPDATE builds SET ${counted}, received = received + ?, sent = sent + ?, saved = saved + ?,
      repeated = repeated + ?, different = different + ?, dropped = dropped + ?,
      instance = iif(instance = '', ?, instance), first_seen = min(first_seen, ?), last_seen = max(last_seen, ?) WHERE id = ?`,
  )

  return () => {
    const changes = new Map<number, BuildChange>()
    return {
      of(build, at) {
        const known = changes.get(build)
        if (known) {
          known.first = Math.min(known.first, at)
          known.last = Math.max(known.last, at)
          return known
        }
        const change = changeAt(at)
        changes.set(build, change)
        return change
      },
      write(dropped) {
        for (const [id, { counts, received, sent, saved, repeated, different, instance, first, last }] of changes) {
          const numbers = actionOutcomes.map((outcome) => counts[outcome])
          update.run(...numbers, received, sent, saved, repeated, different, dropped, instance, first, last, id)
        }
      },
    }
  }
}

function changeAt(at: number): BuildChange {
  const counts = { hit: 0, missed: 0, executed: 0, local: 0, failed: 0 }
  return {
    counts,
    ...{ instance: '', received: 0, sent: 0, saved: 0, repeated: 0, different: 0, first: at, last: at },
    count(before, after) {
      if (before !== undefined) counts[before] -= 1
      counts[after] += 1
    },
  }
}
