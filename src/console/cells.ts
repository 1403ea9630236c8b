import type { SQLOutputValue } from 'node:sqlite'

/** A row with its columns by name. */
export type Row = Readonly<Record<string, SQLOutputValue>>

/** A number; 0 for null. */
export function number(value: SQLOutputValue | undefined): number {
  return Number(value ?? 0)
}

/** A text; empty for null. */
export function text(value: SQLOutputValue | undefined): string {
  return typeof value === 'string' ? value : ''
}
