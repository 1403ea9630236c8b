import type { SQLOutputValue } from 'node:sqlite'

/** A row whose columns are told by their names. */
export type Row = Readonly<Record<string, SQLOutputValue>>

/** A number, or 0 for nothing. */
export function number(value: SQLOutputValue | undefined): number {
  return Number(value ?? 0)
}

/** A text, or an empty one for nothing. */
export function text(value: SQLOutputValue | undefined): string {
  return typeof value === 'string' ? value : ''
}
