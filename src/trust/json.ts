import type { z } from 'zod'
import { valuesMax } from './limits.ts'
import { Rejection } from './rejection.ts'

/**
 * Parses untrusted JSON against a schema.
 * @param max number of values allowed
 * @throws Rejection 'malformed'; an unreadable payload never passes (CVE-2026-39395)
 */
export function readJson<Schema extends z.ZodType>(
  text: Uint8Array | string,
  schema: Schema,
  what: string,
  max: number = valuesMax,
): z.output<Schema> {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  if (hasMoreValues(bytes, max)) throw new Rejection('malformed', `${what} has more than ${max} values`)
  const result = schema.safeParse(parsed(bytes, what))
  if (result.success) return result.data
  const [issue] = result.error.issues
  const place = issue?.path.join('.') || 'document'
  throw new Rejection(
    'malformed',
    issue?.code === 'too_big'
      ? `${what} has too many values in ${place}: at most ${issue.maximum} are read`
      : `${what} does not have the expected form: ${place}`,
    { cause: result.error },
  )
}

function parsed(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    throw new Rejection('malformed', `${what} is not JSON`, { cause })
  }
}

const [quote, backslash, comma, brace, bracket] = [...Buffer.from('"\\,{[')]

/**
 * Every value but the first of a list or object follows a comma; in UTF-8 these bytes never occur within a character.
 */
function hasMoreValues(bytes: Uint8Array, max: number): boolean {
  let count = 1
  let inText = false
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]
    if (byte === quote) inText = !inText
    else if (inText && byte === backslash) at += 1
    else if (!inText && (byte === comma || byte === brace || byte === bracket)) {
      count += 1
      if (count > max) return true
    }
  }
  return false
}

/**
 * Strict base64: Buffer.from would skip invalid characters. Line breaks are ignored, as in Go's decoder, and both
 * alphabets are accepted, as DSSE requires.
 * @throws Rejection 'malformed'
 */
export function readBase64(text: string, what: string): Buffer {
  const clean = text.trim().replace(/[\r\n]+/g, '')
  const isWhole = /^(?:[A-Za-z0-9+/]+|[A-Za-z0-9_-]+)={0,2}$/.test(clean) && clean.replace(/=+$/, '').length % 4 !== 1
  if (!isWhole || (clean.endsWith('=') && clean.length % 4 !== 0))
    throw new Rejection('malformed', `${what} is not base64`)
  return Buffer.from(clean, 'base64')
}
