import { stripVTControlCharacters } from 'node:util'

/** Rows under a heading, columns as wide as they must be, two spaces apart; the last one is not filled up. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows]
  const widths = heading.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))))
  return all.map((row) => line(row, widths)).join('\n')
}

function line(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
  return cells.join('  ').trimEnd()
}

function width(cell: string): number {
  return stripVTControlCharacters(cell).length
}
