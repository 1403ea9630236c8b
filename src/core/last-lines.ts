/** The end of a text, which begins with a whole line. */
export interface LastLines {
  readonly bytes: Uint8Array
  /** How many bytes of the text before these are left out. */
  readonly left: number
  /** Nothing is left, since no line begins in the end of the text: what follows it belongs to a line that is left out. */
  readonly isTorn: boolean
}

const newline = 10

/**
 * The last lines of a text. A line whose beginning is missing is left out whole: what stands there may say that the rest is a
 * secret, and half a character or escape sequence says nothing.
 * @param isTorn the text itself begins within a line
 */
export function lastLines(text: Uint8Array, bytesMax: number, isTorn = false): LastLines {
  const over = text.length - bytesMax
  if (over <= 0 && !isTorn) return { bytes: text, left: 0, isTorn: false }
  // From the byte before the end of the text on: if it ends a line, the next one is whole.
  const end = text.indexOf(newline, Math.max(0, over - 1))
  const left = end === -1 ? text.length : end + 1
  return { bytes: text.subarray(left), left, isTorn: end === -1 }
}
