import { stripVTControlCharacters, styleText } from 'node:util'
import type { Checked, FindingState } from '../cluster/preflight/check.ts'
import { printable, printableLines } from '../core/printable.ts'
import { columnsFor } from './terminal.ts'
import { wrapped } from './wrap.ts'

const marks: Readonly<Record<FindingState, readonly [string, 'green' | 'yellow' | 'red']>> = {
  ok: ['ok', 'green'],
  note: ['note', 'yellow'],
  failed: ['FAILED', 'red'],
}
const markWidth = 6
const narrowColumns = 70

/** A line for each finding, with its remedy below. @param stream decides on colours */
export function findingsText(findings: readonly Checked[], stream: NodeJS.WriteStream): string {
  const width = Math.max(...findings.map(({ title }) => title.length))
  const columns = columnsFor(stream)
  // Aligned with the finding if there is room, otherwise close to the margin.
  const indent = ' '.repeat(columns < narrowColumns ? 2 : markWidth + 2 + width + 2)
  const arrow = '→ '
  return findings
    .flatMap(({ title, state, found, cure }) => {
      const [word, colour] = marks[state]
      const mark = styleText(colour, word.padEnd(markWidth), { stream })
      const line = foundLine(`${mark}  ${title.padEnd(width)}  `, printable(found), columns)
      if (cure === undefined) return [line]
      return [line, `${indent}${arrow}${wrapped(printableLines(cure), columns, `${indent}  `)}`]
    })
    .join('\n')
}

/** What was found, after its title, or below it if the terminal is too narrow for that. */
function foundLine(head: string, found: string, columns: number): string {
  const taken = stripVTControlCharacters(head).length
  if (taken + found.length <= columns) return head + found
  if (columns < narrowColumns) return `${head.trimEnd()}\n  ${wrapped(found, columns, '  ')}`
  return head + wrapped(found, columns, ' '.repeat(taken))
}
