import { createPen } from './terminal-pen.ts'

/** A line as a terminal shows it in the end. */
export interface TerminalLine {
  readonly text: string
  /** As many characters as the text has; the code of each is the pen that wrote it (terminal-pen.ts). */
  readonly pens: string
}

/**
 * What a terminal would show in the end of what was printed to it: Bazel overwrites its lines of progress when it is on one.
 * Colours are kept; whatever else a terminal can be told is left out.
 */
export function terminalLines(printed: string): TerminalLine[] {
  const lines: TerminalLine[] = [blank]
  const pen = createPen()
  let row = 0
  let column = 0
  /** The first line that is kept, and the characters of all that are, ends of lines included. */
  let first = 0
  let kept = 1

  function put(line: TerminalLine): void {
    kept += line.text.length - (lines[row] ?? blank).text.length
    lines[row] = line
  }

  function write(text: string): void {
    const { text: before, pens } = lines[row] ?? blank
    const written = pen.of(text.length)
    if (column === before.length) put({ text: before + text, pens: pens + written })
    else {
      const from = before.length > overwrittenMax ? before.length : column + text.length
      put({
        text: before.slice(0, column).padEnd(column) + text + before.slice(from),
        pens: pens.slice(0, column).padEnd(column, noPen) + written + pens.slice(from),
      })
    }
    column += text.length
    dropEarliest()
  }

  function dropEarliest(): void {
    for (; kept > keptMax && first < row; first += 1) {
      kept -= (lines[first] ?? blank).text.length + 1
      lines[first] = blank
    }
  }

  function cutBelow(): void {
    for (const line of lines.slice(row + 1)) kept -= line.text.length + 1
    lines.length = row + 1
  }

  function cutHere(): void {
    const { text, pens } = lines[row] ?? blank
    put({ text: text.slice(0, column), pens: pens.slice(0, column) })
  }

  function control(parameter: string, command: string): void {
    if (command === 'A') {
      row = Math.max(first, row - (Number(parameter) || 1))
      column = Math.min(column, columnsMax)
    }
    if (command === 'm') pen.set(parameter)
    if (command === 'K') {
      if (parameter === '2') put(blank)
      else cutHere()
    }
    if (command === 'J' && parameter !== '1') {
      cutHere()
      cutBelow()
    }
  }

  for (const [part, parameter, command] of printed.matchAll(parts)) {
    if (command !== undefined) control(parameter ?? '', command)
    else if (part === '\r') column = 0
    else if (part === '\n') {
      row += 1
      column = 0
      if (row < lines.length) continue
      lines.push(blank)
      kept += 1
      dropEarliest()
    } else if (!part.startsWith(esc)) write(part.replace(invisible, ''))
  }
  const shown = lines.slice(first)
  return first > 0 ? [{ text: leftOutText, pens: noPen.repeat(leftOutText.length) }, ...shown] : shown
}

const noPen = '\0'
const blank: TerminalLine = { text: '', pens: '' }
/** So that output made for it costs neither time nor memory out of proportion: a terminal is hardly wider. */
const columnsMax = 200
/** Characters, those of the end: a command of five characters moves to a line, and has its columns filled with blanks. */
const keptMax = 2 * 1024 * 1024
const leftOutText = '(Earlier lines are left out.)'
/** A longer line is not kept behind what is written over it. */
const overwrittenMax = 2_000

const esc = String.fromCharCode(27)
const bell = String.fromCharCode(7)
// A command of a terminal, a title or the like, a lone escape with what follows it, an end of a line, or text.
const parts = new RegExp(
  `${esc}\\[([\\d;?]{0,20})[ -/]{0,2}([@-~])|${esc}\\][^${bell}${esc}]{0,1000}(?:${bell}|${esc}\\\\)|${esc}[^${esc}\\r\\n]?|[\\r\\n]|[^${esc}\\r\\n]+`,
  'g',
)
// Control characters, and those that turn a line around or cannot be seen; tabs stay.
const invisible = /(?!\t)[\p{Cc}\p{Cf}]/gu
