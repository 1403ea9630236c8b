import { styleText } from 'node:util'
import type { Checked, FindingState } from '../cluster/preflight/check.ts'

const marks: Readonly<Record<FindingState, readonly [string, 'green' | 'yellow' | 'red']>> = {
  ok: ['ok', 'green'],
  note: ['note', 'yellow'],
  failed: ['FAILED', 'red'],
}
const markWidth = 6

/** A line for each finding, and its cure beneath. @param stream decides about colours */
export function findingsText(findings: readonly Checked[], stream: NodeJS.WriteStream): string {
  const width = Math.max(...findings.map(({ title }) => title.length))
  return findings
    .flatMap(({ title, state, found, cure }) => {
      const [word, colour] = marks[state]
      const mark = styleText(colour, word.padEnd(markWidth), { stream })
      const line = `${mark}  ${title.padEnd(width)}  ${found}`
      return cure === undefined ? [line] : [line, `${' '.repeat(markWidth + 2 + width)}  → ${cure}`]
    })
    .join('\n')
}
