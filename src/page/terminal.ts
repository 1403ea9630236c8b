import { createPen } from './terminal-pen.ts'

/** A line as a terminal shows it in the end. */
export interface TerminalLine {
  readonly text: string
  /** As long as the text; each character's code is the style it was written in (terminal-pen.ts). */
  readonly pens: string
}

/**
 * What a terminal would show in the end: on one, Bazel overwrites its progress lines. Colours are kept; all other
 * terminal features are ignored.
 */
export function terminalLines(printed: string): TerminalLine[] {
  const lines: TerminalLine[] = [blank]
  const pen = createPen()
  let row = 0
  let column = 0
  /** The first line that is kept, and the characters in all kept lines, line ends included. */
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
/** A terminal is hardly wider; bounds the time and memory that crafted output can take. */
const columnsMax = 200
/**
 * Characters, counted from the end: a code of five characters can move to a line, whose columns are then padded with
 * spaces.
 */
const keptMax = 2 * 1024 * 1024
const leftOutText = '(Earlier lines are left out.)'
/** In a longer line, whatever follows overwritten text is dropped. */
const overwrittenMax = 2_000

const esc = String.fromCharCode(27)
const bell = String.fromCharCode(7)
// A control sequence, a title or the like, a lone escape with the character after it, an end of line, or text.
const parts = new RegExp(
  `${esc}\\[([\\d;?]{0,20})[ -/]{0,2}([@-~])|${esc}\\][^${bell}${esc}]{0,1000}(?:${bell}|${esc}\\\\)|${esc}[^${esc}\\r\\n]?|[\\r\\n]|[^${esc}\\r\\n]+`,
  'g',
)
// Control, bidirectional and invisible characters; tabs stay.
const invisible = /(?!\t)[\p{Cc}\p{Cf}]/gu
