import type { Figure } from '../rows/row.ts'

const ended = /^(.*) \((\d+\.\d) s\)$/

/**
 * The seconds of each step, as the commands print them themselves: `TITLE: what it found (12.3 s)`.
 * @param what the command, and in which state it found the cluster
 */
export function stepFigures(what: string, printed: string): Figure[] {
  return printed.split('\n').flatMap((line) => {
    const [, said = '', seconds] = ended.exec(line) ?? []
    const title = said.split(':', 1)[0] ?? ''
    if (seconds === undefined || Number(seconds) < 0.1) return []
    return [{ section: what, title, unit: 's', value: Number(seconds) } as const]
  })
}
