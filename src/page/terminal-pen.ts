/**
 * A terminal's current style: one of 16 colours or the default, bold or not. A number from 0 to 63; 0 is the default.
 */
export type Pen = number

const boldBit = 32
/** The colours by code: 30 to 37 of ECMA-48, and the bright ones 90 to 97 likewise. */
const colours = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const
const coloursMask = 15

/** The CSS classes for text in this style; empty for the default. */
export function penClasses(pen: Pen): string {
  const colour = colours[(pen & coloursMask) - 1]
  return [...(colour ? [`t-${colour}`] : []), ...((pen & boldBit) === 0 ? [] : ['t-bold'])].join(' ')
}

/** A terminal's style, which escape codes change. */
export function createPen() {
  let pen: Pen = 0
  return {
    /** A string of that length in which each character encodes the style. */
    of: (length: number): string => String.fromCharCode(pen).repeat(length),
    /** SGR; unknown codes change nothing. @param parameters such as `1;31` */
    set(parameters: string): void {
      const codes = parameters.split(';').map(Number)
      for (let at = 0; at < codes.length; at += 1) {
        const code = codes[at] ?? 0
        // 256 and true colours are not supported: their parameters are no codes of their own.
        if (code === 38 || code === 48) at += codes[at + 1] === 5 ? 2 : 4
        else pen = changed(pen, code)
      }
    },
  }
}

function changed(pen: Pen, code: number): Pen {
  const bold = pen & boldBit
  if (code === 0) return 0
  if (code === 1) return pen | boldBit
  if (code === 22) return pen & ~boldBit
  if (code === 39) return bold
  if (code >= 30 && code <= 37) return bold | (code - 29)
  if (code >= 90 && code <= 97) return bold | (code - 89)
  return pen
}
