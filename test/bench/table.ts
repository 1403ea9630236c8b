import type { Figure, Unit } from './rows/row.ts'

/** The figures of all rounds, by section, title and server. */
export interface Results {
  note(server: string, figures: readonly Figure[]): void
  /** Markdown, one table for each section. */
  text(): string
}

interface Line {
  readonly section: string
  readonly title: string
  readonly unit: Unit
  readonly values: Map<string, number[]>
}

/** From this many rounds on, quartiles say something. */
const quartilesOf = 5

/** More is better for these. */
const rates: ReadonlySet<Unit> = new Set(['/s', 'MB/s'])

/**
 * @param servers in the order of the columns; the first is ours
 * @param order the sections
 */
export function createResults(servers: readonly string[], order: readonly string[]): Results {
  const lines = new Map<string, Line>()
  return {
    note(server, figures) {
      for (const { section, title, unit, value } of figures) {
        const key = `${section}/${title}`
        const line = lines.get(key) ?? { section, title, unit, values: new Map<string, number[]>() }
        line.values.set(server, [...(line.values.get(server) ?? []), value])
        lines.set(key, line)
      }
    },
    text() {
      return order
        .filter((section) => [...lines.values()].some((line) => line.section === section))
        .map((section) => {
          const own = [...lines.values()].filter((line) => line.section === section)
          return `### ${section}\n\n${markdown([header(servers), ...own.map((line) => row(line, servers))])}`
        })
        .join('\n')
    },
  }
}

function header([ours = '', ...peers]: readonly string[]): string[] {
  return ['', ours, ...peers.flatMap((peer) => [peer, `${ours} / ${peer}`])]
}

function row({ title, unit, values }: Line, [ours = '', ...peers]: readonly string[]): string[] {
  const own = values.get(ours)
  const cells = peers.flatMap((peer) => {
    const theirs = values.get(peer)
    return [cell(theirs), own && theirs ? ratio(own, theirs, unit) : '-']
  })
  return [`${title} (${unit})`, cell(own), ...cells]
}

/** `median (min..max)`, or `-` where there is no such figure. */
function cell(values: readonly number[] | undefined): string {
  if (!values || values.length === 0) return '-'
  return `${short(median(values))} (${short(Math.min(...values))}..${short(Math.max(...values))})`
}

/**
 * How many times better ours is, whichever way better is: below 1 it is worse. The median of the rounds' own ratios, since
 * what slows a machine for a second slows both servers of a round, and with several rounds their quartiles.
 */
function ratio(own: readonly number[], theirs: readonly number[], unit: Unit): string {
  const better = (ours: number, other: number) => (rates.has(unit) ? ours / other : other / ours)
  const rounds =
    own.length === theirs.length
      ? own.map((value, at) => better(value, theirs[at] ?? Number.NaN))
      : [better(median(own), median(theirs))]
  const times = rounds.filter(Number.isFinite).sort((a, b) => a - b)
  if (times.length === 0) return '-'
  const middle = `${timesText(median(times))}x`
  if (times.length < quartilesOf) return middle
  const half = times.length >> 1
  return `${middle} (${timesText(median(times.slice(0, half)))}..${timesText(median(times.slice(-half)))})`
}

function timesText(times: number): string {
  return times.toFixed(times < 10 ? 2 : 0)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

function short(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(value >= 100_000 ? 0 : 1)}k`
  return value >= 100 ? value.toFixed(0) : value.toPrecision(value >= 10 ? 3 : 2)
}

function markdown([head = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = head.map((_, at) => Math.max(3, ...[head, ...rows].map((each) => each[at]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((each, at) => (at === 0 ? each.padEnd(widths[at] ?? 0) : each.padStart(widths[at] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return `${[line(head), rule, ...rows.map(line)].join('\n')}\n`
}
