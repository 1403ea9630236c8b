import type { z } from 'zod'
import { Rejection } from './rejection.ts'

/**
 * JSON that a stranger wrote, in the shape that the schema states.
 * @throws Rejection 'malformed'; a payload that cannot be read never passes (CVE-2026-39395)
 */
export function readJson<Schema extends z.ZodType>(
  bytes: Uint8Array | string,
  schema: Schema,
  what: string,
): z.output<Schema> {
  const result = schema.safeParse(parsed(bytes, what))
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new Rejection('malformed', `${what} has another shape: ${issue?.path.join('.') || 'document'}`, {
    cause: result.error,
  })
}

function parsed(bytes: Uint8Array | string, what: string): unknown {
  try {
    const text = typeof bytes === 'string' ? bytes : new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return JSON.parse(text)
  } catch (cause) {
    throw new Rejection('malformed', `${what} is no JSON`, { cause })
  }
}

/**
 * Standard base64, exactly: Buffer.from would skip over whatever else stands in it.
 * @throws Rejection 'malformed'
 */
export function readBase64(text: string, what: string): Buffer {
  const clean = text.trim()
  if (clean === '' || clean.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(clean))
    throw new Rejection('malformed', `${what} is no base64`)
  return Buffer.from(clean, 'base64')
}
