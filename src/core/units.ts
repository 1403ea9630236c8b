import { Failure } from './failure.ts'

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
}
const spanUnits: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 }

/**
 * Bytes of a text like `20GB`, `512MiB` or `1048576`.
 * @throws Failure 'invalid'
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(text.trim())
  const unit = sizeUnits[match?.[2]?.toUpperCase() ?? '?']
  const bytes = match && unit !== undefined ? Math.round(Number(match[1]) * unit) : Number.NaN
  if (!Number.isSafeInteger(bytes))
    throw new Failure('invalid', `"${text}" is no size: write it like 20GB, 512MiB or 1048576`)
  return bytes
}

/**
 * Milliseconds of a text like `90s`, `15m`, `250ms` or `1h`.
 * @throws Failure 'invalid'
 */
export function parseSpan(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim())
  const unit = spanUnits[match?.[2] ?? '?']
  if (!match || unit === undefined)
    throw new Failure('invalid', `"${text}" is no span of time: write it like 90s, 15m or 1h`)
  return Math.round(Number(match[1]) * unit)
}

/** `1.5 GiB`, for people. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`
}
