import { type BuildRecord, tookMs } from '../core/build-history.ts'
import { commandText, resultText } from '../core/invocation.ts'
import { printable, shortened } from '../core/printable.ts'
import { sizeText, spanText } from '../core/units.ts'
import { table } from './table.ts'

const heading = ['BUILD', 'WHEN', 'CLIENT', 'TOOK', 'ACTIONS', 'CACHED', 'FAILED', 'SENT', 'FETCHED', 'SAVED']
/** Shown where there is room. */
const roomyHeading: ReadonlySet<string> = new Set(['SENT', 'FETCHED'])
/** After CLIENT, if any client reports them. */
const toldHeading = ['COMMAND', 'RESULT']
const toldAt = 3
/** At the end, if any action was run a second time. */
const repeatsHeading = ['REPEATED']
const commandLength = 40
/** Enough of an id to tell a thousand builds apart; any prefix of an id is accepted. */
const idLength = 8

/**
 * Builds for people, newest first.
 * @param now milliseconds since 1970
 * @param columns of the terminal
 */
export function buildsText(builds: readonly BuildRecord[], now: number, columns: number): string {
  if (builds.length === 0) return 'No build has been seen yet.'
  const lost = builds.some(({ dropped }) => dropped > 0)
  const note = '* The servers could not tell all that they saw: numbers of these builds are too low.'
  const told = builds.some((build) => build.told !== undefined)
  const repeated = builds.some(({ repeats }) => repeats !== undefined)
  const rows = builds.map((build) => [
    ...withTold(row(build, now), told, toldCells(build)),
    ...(repeated ? [repeatsCell(build)] : []),
  ])
  const headings = [...withTold(heading, told, toldHeading), ...(repeated ? repeatsHeading : [])]
  return [roomyTable(headings, rows, columns), ...(lost ? ['', note] : [])].join('\n')
}

/** The first that fits: all columns, or those without which a terminal of 80 columns has a table. */
function roomyTable(headings: readonly string[], rows: readonly string[][], columns: number): string {
  const width = Math.max(
    ...table(headings, rows)
      .split('\n')
      .map((line) => line.length),
  )
  if (width <= columns) return table(headings, rows, columns)
  const kept = (row: readonly string[]) => row.filter((_, at) => !roomyHeading.has(headings[at] ?? ''))
  return table(kept(headings), rows.map(kept), columns)
}

function repeatsCell({ repeats }: BuildRecord): string {
  if (!repeats) return '-'
  const { run, different } = repeats
  return different === 0 ? String(run) : `${run}, ${different} differ${different === 1 ? 's' : ''}`
}

function withTold(cells: readonly string[], told: boolean, more: readonly string[]): string[] {
  return told ? cells.toSpliced(toldAt, 0, ...more) : [...cells]
}

function toldCells({ told }: BuildRecord): string[] {
  return told
    ? [printable(shortened(commandText(told), commandLength)) || '-', printable(resultText(told), commandLength)]
    : ['-', '-']
}

function row(build: BuildRecord, now: number): string[] {
  const { id, firstSeen, actions, hits, failed, bytesReceived, bytesSent, bytesSaved, dropped } = build
  return [
    `${printable(shortId(id))}${dropped > 0 ? '*' : ''}`,
    `${spanText(Math.max(0, now - firstSeen))} ago`,
    printable([build.tool, build.toolVersion].filter((each) => each !== '').join(' '), 40) || '-',
    spanText(tookMs(build)),
    String(actions),
    actions === 0 ? '-' : `${Math.floor((100 * hits) / actions)} %`,
    failed === 0 ? '-' : String(failed),
    ...[bytesReceived, bytesSent, bytesSaved].map((bytes) => (bytes === 0 ? '-' : sizeText(bytes))),
  ]
}

/** An id as it is shown: the beginning of a UUID, or all of a name that the console made. */
function shortId(id: string): string {
  return id.startsWith('unnamed-') ? id : id.slice(0, idLength)
}
