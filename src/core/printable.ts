/**
 * Text of strangers, made harmless for a terminal and for a log: without control characters,
 * and without those that turn a line around or cannot be seen.
 */
export function printable(text: string, charactersMax = 300): string {
  return text.slice(0, charactersMax).replace(/[\p{C}\p{Z}]/gu, (each) => (each === ' ' ? each : '?'))
}

/** The same for text of several lines, whole: what a failure says may quote a stranger anywhere. */
export function printableLines(text: string): string {
  return text.replace(/[\p{C}\p{Z}]/gu, (each) => (/[ \n\t]/.test(each) ? each : '?'))
}
