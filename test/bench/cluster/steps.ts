import type { Figure } from '../rows/row.ts'

const ended = /^(.*) \((\d+\.\d) s\)$/

/**
 * The seconds of each step, as the commands print them themselves: `TITLE: what it found (12.3 s)`. A step that
 * several commands have is counted once, with the sum.
 * @param what in which state the cluster was found
 */
export function stepFigures(what: string, printed: string): Figure[] {
  const sums = new Map<string, number>()
  for (const line of printed.split('\n')) {
    const [, said = '', seconds] = ended.exec(line) ?? []
    const title = said.split(':', 1)[0] ?? ''
    if (seconds !== undefined) sums.set(title, (sums.get(title) ?? 0) + Number(seconds))
  }
  return [...sums]
    .filter(([, value]) => value >= 0.1)
    .map(([title, value]) => ({ section: what, title, unit: 's', value }) as const)
}
