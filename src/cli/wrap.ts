import { stripVTControlCharacters } from 'node:util'

/** Columns of text for people, whatever the terminal: one that is not told its size counts as 80. */
const columnsUsual = 80
const columnsMax = 120
const columnsMin = 20

/** How many columns text for this stream has. A terminal of a size that nobody has set says 0. */
export function columnsOf(stream: { readonly columns?: number }): number {
  return Math.max(columnsMin, Math.min(columnsMax, stream.columns || columnsUsual))
}

/**
 * Text broken at blanks so that no line is longer than the columns; a word that is longer stands alone. Lines that are
 * there stay apart, and those that are set in stay as they are.
 * @param indent stands before every line but the first
 */
export function wrapped(text: string, columns: number, indent = ''): string {
  return text
    .split('\n')
    .flatMap((line) => wrapLine(line, Math.max(1, columns - indent.length)))
    .join(`\n${indent}`)
}

function wrapLine(line: string, columns: number): string[] {
  // What is set in is code.
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
