import type { ActionRecord, ActionTimes } from '../core/build-history.ts'
import type { CriticalPath } from '../explain/critical-path.ts'
import { lanesOf, timedOf } from './lanes.ts'
import { actionTitle, outcomeText } from './words.ts'

/** A build's actions over time, for the script that draws them; small, since there are 20,000. */
export interface TimelineData {
  /** Milliseconds from the first moment to the last. */
  readonly lengthMs: number
  /** A name for each lane: that of its worker in the first of a worker's lanes, empty in the others. */
  readonly lanes: readonly string[]
  /** Names and outcomes of actions, which rows name by their places. */
  readonly names: readonly string[]
  readonly outcomes: readonly string[]
  /** From the earliest begin on. */
  readonly rows: readonly TimelineRow[]
  /** Those of the critical path, by their places in `rows`. */
  readonly critical: readonly number[]
}

/**
 * An action: name, outcome, lane, the beginning of its digest's hash, and when what happened to it, in milliseconds from the
 * first moment: as timelineTimes has them, -1 where it is not known.
 */
export type TimelineRow = readonly [
  name: number,
  outcome: number,
  lane: number,
  hash: string,
  ...times: readonly number[],
]

/** What the times of a row are. */
export const timelineTimes = [
  'queued',
  'workerStart',
  'workerEnd',
  'inputStart',
  'inputEnd',
  'runStart',
  'runEnd',
  'outputStart',
  'outputEnd',
] as const satisfies readonly (keyof ActionTimes)[]

/** Enough of a hash to tell actions of one build apart. */
const hashDigits = 20

/** Actions without times are left out. */
export function timelineData(actions: readonly ActionRecord[], { steps }: Pick<CriticalPath, 'steps'>): TimelineData {
  const timed = timedOf(actions)
  const begin = timed.reduce(
    (least, { action, from }) => Math.min(least, action.times.queued ?? from),
    Number.POSITIVE_INFINITY,
  )
  const end = timed.reduce((most, { to }) => Math.max(most, to), 0)
  const lanes = lanesOf(timed)
  const names = numbered()
  const outcomes = numbered()
  const rows = lanes.flatMap((lane, at) =>
    lane.drawn.map(({ action, from }) => {
      const times = timelineTimes.map((name) => {
        const time = action.times[name]
        return time === undefined ? -1 : Math.max(0, Math.round(time - begin))
      })
      const [name, outcome] = [names.of(actionTitle(action)), outcomes.of(outcomeText(action))]
      const row: TimelineRow = [name, outcome, at, action.digest.hash.slice(0, hashDigits), ...times]
      return { action, from, row }
    }),
  )
  rows.sort((a, b) => a.from - b.from)
  const critical = new Set(steps.map(({ action }) => action.row))
  return {
    lengthMs: timed.length === 0 ? 0 : Math.max(1, Math.ceil(end - begin)),
    lanes: lanes.map(({ worker, named }) => (named ? worker : '')),
    names: names.all,
    outcomes: outcomes.all,
    rows: rows.map(({ row }) => row),
    critical: rows.flatMap(({ action }, at) => (critical.has(action.row) ? [at] : [])),
  }
}

/** Gives each text a number, the same one whenever it comes. */
function numbered() {
  const places = new Map<string, number>()
  const all: string[] = []
  return {
    all,
    of(text: string): number {
      const known = places.get(text)
      if (known !== undefined) return known
      places.set(text, all.length)
      return all.push(text) - 1
    },
  }
}
