/** The end of a text, starting with a complete line. */
export interface LastLines {
  readonly bytes: Uint8Array
  /** Bytes of the text before these lines. */
  readonly left: number
  /** No line begins within the end of the text, so nothing is kept: what follows belongs to a line that was dropped. */
  readonly isTorn: boolean
}

const newline = 10

/**
 * The last lines of a text. A line whose beginning is cut off is dropped: the missing part may be what marks the rest
 * as a secret, and half a character or escape sequence is meaningless.
 * @param isTorn the text itself begins in the middle of a line
 */
export function lastLines(text: Uint8Array, bytesMax: number, isTorn = false): LastLines {
  const over = text.length - bytesMax
  if (over <= 0 && !isTorn) return { bytes: text, left: 0, isTorn: false }
  // Starting one byte earlier: if that byte ends a line, the next line is complete.
  const end = text.indexOf(newline, Math.max(0, over - 1))
  const left = end === -1 ? text.length : end + 1
  return { bytes: text.subarray(left), left, isTorn: end === -1 }
}
