import { Failure } from '../core/failure.ts'
import { parseSpan } from '../core/units.ts'

const dayOrTime = /^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[+-]\d{2}:\d{2})?)?$/
const span = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/

/**
 * The time that --since means: a time span ago (`10m`, `1h30m`), or a time in RFC 3339; without an offset, or with only
 * a date, it is in this machine's time zone.
 * @returns milliseconds since 1970
 * @throws Failure 'invalid'
 */
export function parseSince(text: string, now: number): number {
  if (span.test(text)) {
    const parts = text.match(/[\d.]+[a-z]+/g) ?? []
    return now - parts.reduce((sum, part) => sum + parseSpan(part), 0)
  }
  // Date reads a date without a time as UTC; people mean this machine's time zone.
  const ms = dayOrTime.test(text)
    ? Date.parse(text.length === 'yyyy-mm-dd'.length ? `${text}T00:00:00` : text)
    : Number.NaN
  if (Number.isNaN(ms))
    throw new Failure('invalid', `"${text}" is neither a duration nor a time`, {
      where: '--since',
      next: ['Write how long ago, like 10m or 2h, or a time, like 2026-11-29T08:30:00Z.'],
    })
  if (ms > now) throw new Failure('invalid', `${text} is still to come`, { where: '--since' })
  return ms
}
