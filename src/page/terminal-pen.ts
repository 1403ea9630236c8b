/** What a terminal writes with: one of 16 colours or its usual one, bold or not. A number from 0 to 63; 0 is the usual. */
export type Pen = number

const boldBit = 32
/** The colours by their places: those of 30 to 37 of ECMA-48, and the bright ones of 90 to 97 as the same. */
const colours = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const
const coloursMask = 15

/** The classes of what this pen wrote; empty for the usual one. */
export function penClasses(pen: Pen): string {
  const colour = colours[(pen & coloursMask) - 1]
  return [...(colour ? [`t-${colour}`] : []), ...((pen & boldBit) === 0 ? [] : ['t-bold'])].join(' ')
}

/** The pen of a terminal, which commands change. */
export function createPen() {
  let pen: Pen = 0
  return {
    /** A text of that length, each of whose characters is the pen. */
    of: (length: number): string => String.fromCharCode(pen).repeat(length),
    /** SGR; what is not known changes nothing. @param parameters such as `1;31` */
    set(parameters: string): void {
      const codes = parameters.split(';').map(Number)
      for (let at = 0; at < codes.length; at += 1) {
        const code = codes[at] ?? 0
        // Colours of 256 or of all, which we do not have: what names them is no code of its own.
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
