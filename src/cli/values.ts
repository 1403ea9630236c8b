import { Failure, messageOf } from '../core/failure.ts'
import type { PlatformProperty } from '../core/platform.ts'
import { parseSize, parseSpan } from '../core/units.ts'

/**
 * Parses `key=value` of --property; the value may contain further equals signs.
 * @throws Failure 'invalid'
 */
export function parseProperty(text: string): PlatformProperty {
  const at = text.indexOf('=')
  if (at <= 0)
    throw new Failure('invalid', `"${text}" is not a property: write it as key=value`, { where: '--property' })
  return { name: text.slice(0, at), value: text.slice(at + 1) }
}

/**
 * Parses a flag's value such as 20GB into bytes.
 * @throws Failure 'invalid' that names the flag
 */
export function parseSizeFlag(text: string, flag: string): number {
  return namingFlag(flag, () => parseSize(text))
}

/**
 * Parses a flag's value such as 15m into milliseconds.
 * @throws Failure 'invalid' that names the flag
 */
export function parseSpanFlag(text: string, flag: string): number {
  return namingFlag(flag, () => parseSpan(text))
}

function namingFlag<T>(flag: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw new Failure('invalid', messageOf(cause), { where: flag, cause })
  }
}
