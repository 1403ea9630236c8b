import { stripVTControlCharacters } from 'node:util'

/**
 * Rows under a heading, columns as wide as they must be, two spaces apart; the last one is not filled up. Where that is
 * wider than the terminal, each row becomes a paragraph of its own.
 * @param columns of the terminal; infinite where nothing is to be broken
 */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  columns = Number.POSITIVE_INFINITY,
): string {
  const all = [heading, ...rows]
  const widths = heading.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))))
  const lines = all.map((row) => line(row, widths))
  if (lines.every((each) => width(each) <= columns)) return lines.join('\n')
  return rows.map((row) => paragraph(heading, row)).join('\n')
}

/** The row's first cell, and the others that say something beneath it, each with its heading. */
function paragraph(heading: readonly string[], [first = '', ...others]: readonly string[]): string {
  const names = heading.slice(1).map((each) => each.toLowerCase())
  const longest = Math.max(...names.map(width))
  const told = others.flatMap((cell, at) => (cell === '-' ? [] : [`  ${(names[at] ?? '').padEnd(longest)}  ${cell}`]))
  return [first, ...told].join('\n')
}

function line(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
  return cells.join('  ').trimEnd()
}

function width(cell: string): number {
  return stripVTControlCharacters(cell).length
}
