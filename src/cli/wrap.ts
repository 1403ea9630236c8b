import { stripVTControlCharacters } from 'node:util'

/** The width of text for people if the terminal does not tell: 80 columns. */
const columnsUsual = 80
const columnsMax = 120
const columnsMin = 20

/** The width of text for this stream. A terminal whose size was never set reports 0. */
export function columnsOf(stream: { readonly columns?: number }): number {
  return Math.max(columnsMin, Math.min(columnsMax, stream.columns || columnsUsual))
}

/**
 * Wraps text at white space so that no line is longer than the columns; a longer word gets a line of its own. Existing
 * line breaks are kept, and indented lines are not wrapped.
 * @param indent prefix of every line but the first
 */
export function wrapped(text: string, columns: number, indent = ''): string {
  return text
    .split('\n')
    .flatMap((line) => wrapLine(line, Math.max(1, columns - indent.length)))
    .join(`\n${indent}`)
}

function wrapLine(line: string, columns: number): string[] {
  // Indented lines are code.
  if (line.startsWith('  ') || stripVTControlCharacters(line).length <= columns) return [line]
  const lines: string[] = []
  let now = ''
  for (const word of line.split(/ +/)) {
    const longer = now === '' ? word : `${now} ${word}`
    if (now !== '' && stripVTControlCharacters(longer).length > columns) {
      lines.push(now)
      now = word
    } else now = longer
  }
  return [...lines, now]
}
