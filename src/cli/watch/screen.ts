import { stripVTControlCharacters } from 'node:util'

/** A place where text is redrawn. */
export interface Screen {
  /** Replaces the lines that were drawn last. */
  draw(lines: readonly string[]): void
  /** Leaves the lines that were drawn last, with the cursor below them. */
  end(): void
}

const csi = '\u001b['

/**
 * Draws on a terminal of any size, which may change at any time: lines are cut to its width, and their number to its
 * height, since what has scrolled off the top could not be redrawn.
 */
export function createScreen(stream: NodeJS.WriteStream): Screen {
  let drawn: readonly string[] = []
  let hidden = false
  return {
    draw(lines) {
      const { columns, rows } = sizeOf(stream)
      const up = heightOf(drawn, columns)
      const room = rows - 1
      const fitting = lines.length > room ? [...lines.slice(0, room - 1), '...'] : lines
      drawn = fitting.map((line) => cut(line, columns))
      const back = up > 0 ? `${csi}${Math.min(up, room)}F` : ''
      const hide = hidden ? '' : `${csi}?25l`
      hidden = true
      stream.write(`${hide}${back}${drawn.map((line) => `${line}${csi}K\n`).join('')}${csi}J`)
    },
    end() {
      if (hidden) stream.write(`${csi}?25h`)
      hidden = false
    },
  }
}

/** A terminal whose size was never set reports 0. */
function sizeOf({ columns, rows }: NodeJS.WriteStream): { columns: number; rows: number } {
  return { columns: Math.max(1, columns || 80), rows: Math.max(3, rows || 24) }
}

/** The rows that lines occupy now: on a terminal that has become narrower, one may take several. */
function heightOf(lines: readonly string[], columns: number): number {
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(stripVTControlCharacters(line).length / columns)), 0)
}

/** As much of a line as fits. If it is cut, it loses its colours. */
function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line)
  return plain.length <= columns ? line : plain.slice(0, columns)
}
