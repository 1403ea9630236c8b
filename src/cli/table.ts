import { stripVTControlCharacters } from 'node:util'

/** Shown in an empty cell. */
const nothing = '-'

/**
 * Rows under a heading, columns as narrow as possible, two spaces apart; the last one is not padded. If that is wider
 * than the terminal, empty columns are dropped, and if that is not enough, each row becomes a paragraph of its own.
 * @param columns of the terminal; infinite for no limit
 */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  columns = Number.POSITIVE_INFINITY,
): string {
  const isTold = heading.map((_, column) => rows.some((row) => row[column] !== nothing))
  const told = [heading, ...rows].map((row) => row.filter((_, column) => isTold[column]))
  const fitting = [lines([heading, ...rows]), lines(told)].find((each) => each.every((row) => width(row) <= columns))
  return (fitting ?? rows.map((row) => paragraph(heading, row))).join('\n')
}

function lines(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => width(row[column] ?? ''))))
  return rows.map((row) => line(row, widths))
}

/** A row's first cell, and below it the other non-empty ones, each with its heading. */
function paragraph(heading: readonly string[], [first = '', ...others]: readonly string[]): string {
  const names = heading.slice(1).map((each) => each.toLowerCase())
  const longest = Math.max(...names.map(width))
  const told = others.flatMap((cell, at) =>
    cell === nothing ? [] : [`  ${(names[at] ?? '').padEnd(longest)}  ${cell}`],
  )
  return [first, ...told].join('\n')
}

function line(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
  return cells.join('  ').trimEnd()
}

function width(cell: string): number {
  return stripVTControlCharacters(cell).length
}
