import type { TimelineData, TimelineRow } from '../../src/page/timeline-data.ts'

/** An action of the timeline. Times are milliseconds from the timeline's beginning; undefined if unknown. */
export interface Row {
  readonly name: string
  readonly outcome: string
  readonly isFailed: boolean
  /** It is on the critical path. */
  readonly isCritical: boolean
  readonly lane: number
  readonly worker: string
  readonly hash: string
  readonly from: number
  readonly to: number
  readonly phases: readonly Phase[]
}

export interface Phase {
  readonly name: 'queue' | 'fetch' | 'run' | 'upload'
  readonly from: number
  readonly to: number
}

/** Unpacks the received data. */
export function rowsOf({ rows, names, outcomes, lanes, critical }: TimelineData): Row[] {
  // A lane without a name is another one of the worker above it.
  const workers: string[] = []
  for (const lane of lanes) workers.push(lane || (workers.at(-1) ?? ''))
  const onPath = new Set(critical)
  return rows.map((row, at) => ({ ...rowOf(row, names, outcomes, workers), isCritical: onPath.has(at) }))
}

function rowOf(
  [name, outcome, lane, hash, ...times]: TimelineRow,
  names: readonly string[],
  outcomes: readonly string[],
  workers: readonly string[],
): Omit<Row, 'isCritical'> {
  const [queued = -1, from = 0, to = 0, inputStart = -1, inputEnd = -1, runStart = -1, runEnd = -1, ...outputs] = times
  const [outputStart = -1, outputEnd = -1] = outputs
  const word = outcomes[outcome] ?? ''
  return {
    name: names[name] ?? '',
    outcome: word,
    isFailed: word.startsWith('failed'),
    lane,
    worker: workers[lane] ?? '',
    hash,
    from,
    to,
    phases: [
      ...phase('queue', queued, from),
      ...phase('fetch', inputStart, inputEnd),
      ...phase('run', runStart, runEnd),
      ...phase('upload', outputStart, outputEnd),
    ],
  }
}

function phase(name: Phase['name'], from: number, to: number): Phase[] {
  return from < 0 || to < 0 ? [] : [{ name, from, to }]
}
