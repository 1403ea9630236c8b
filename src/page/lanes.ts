import type { ActionRecord } from '../core/build-history.ts'

/** An action that a worker ran, from when the worker took it until it was done, in milliseconds since 1970. */
export interface Timed {
  readonly action: ActionRecord
  readonly from: number
  readonly to: number
}

/** Actions that one worker ran one after another. */
export interface Lane {
  readonly worker: string
  /** It is the first of its worker. */
  readonly named: boolean
  readonly drawn: Timed[]
}

/** Lanes of one worker; whatever exceeds them overlaps in the last one. */
const lanesMax = 1_000

/** Actions that a worker ran and whose times are known. */
export function timedOf(actions: readonly ActionRecord[]): Timed[] {
  return actions.flatMap((action): Timed[] => {
    const { workerStart: from, workerEnd: to } = action.times
    return from === undefined || to === undefined || action.worker === '' ? [] : [{ action, from, to }]
  })
}

/** Each worker has as many lanes as it ran actions concurrently. */
export function lanesOf(timed: readonly Timed[]): Lane[] {
  const workers = Map.groupBy(timed, ({ action }) => action.worker)
  return [...workers].toSorted(byName).flatMap(([worker, its]) => {
    const lanes: Lane[] = []
    const ends: number[] = []
    for (const each of its.toSorted((one, other) => one.from - other.from)) {
      const free = ends.findIndex((end) => end <= each.from)
      const at = free >= 0 ? free : Math.min(lanes.length, lanesMax - 1)
      lanes[at] ??= { worker, named: at === 0, drawn: [] }
      lanes[at].drawn.push(each)
      ends[at] = Math.max(ends[at] ?? 0, each.to)
    }
    return lanes
  })
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one.localeCompare(other, 'en', { numeric: true })
}
