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
 * Parses a size such as `20GB`, `512MiB` or `1048576` into bytes.
 * @throws Failure 'invalid'
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(text.trim())
  const unit = sizeUnits[match?.[2]?.toUpperCase() ?? '?']
  const bytes = match && unit !== undefined ? Math.round(Number(match[1]) * unit) : Number.NaN
  if (!Number.isSafeInteger(bytes))
    throw new Failure('invalid', `"${text}" is not a size: write it like 20GB, 512MiB or 1048576`)
  return bytes
}

/**
 * Parses a duration such as `90s`, `15m`, `250ms` or `1h` into milliseconds.
 * @throws Failure 'invalid'
 */
export function parseSpan(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim())
  const unit = spanUnits[match?.[2] ?? '?']
  if (!match || unit === undefined)
    throw new Failure('invalid', `"${text}" is not a duration: write it like 90s, 15m, 1h or 30d`)
  return Math.round(Number(match[1]) * unit)
}

/**
 * Parses a percentage such as `2%` or `0.5%` into a number from 0 to 1.
 * @throws Failure 'invalid'
 */
export function parseShare(text: string): number {
  const percent = Number(/^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim())?.[1])
  if (!(percent <= 100)) throw new Failure('invalid', `"${text}" is not a share: write it like 2%, at most 100%`)
  return percent / 100
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

/** A duration for people, with up to three digits: `8 ms`, `3.2 s`, `5 min`, `2 h`, `3 days`. @param ms milliseconds */
export function spanText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 9_950) return `${Number((ms / 1000).toFixed(1))} s`
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`
}
