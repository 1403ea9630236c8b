/**
 * Untrusted text, made safe for a terminal and for a log: without control characters, and without those that reverse a
 * line or are invisible.
 */
export function printable(text: string, charactersMax = 300): string {
  return text.slice(0, charactersMax).replace(/[\p{C}\p{Z}]/gu, (each) => (each === ' ' ? each : '?'))
}

/** The same for several lines, without cutting them: a failure's text may quote untrusted input anywhere. */
export function printableLines(text: string): string {
  return text.replace(/[\p{C}\p{Z}]/gu, (each) => (/[ \n\t]/.test(each) ? each : '?'))
}

/** At most so many characters of a text; the last of them is an ellipsis if more was cut off. */
export function shortened(text: string, charactersMax: number): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1)}…`
}
