import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { roles } from './rights.ts'

const idBytes = 6
const secretBytes = 32
/**
 * `native_ID_EXPIRY_SECRET`: recognisable to people and to secret scanners. Its entry can be found without the secret,
 * and its expiry (seconds since 1970 in base 36; 0 for never) read without asking a server.
 */
const shape = /^native_([0-9a-f]{12})_([0-9a-z]{1,9})_[\w-]{43}$/
/** The same for an invitation, which is good for one worker's token. */
const ticketShape = /^native_ticket_([0-9a-f]{12})_([0-9a-z]{1,9})_[\w-]{43}$/
export const idPattern = /^[0-9a-f]{12}$/
export const hashPattern = /^[0-9a-f]{64}$/

/** A token as a server's file has it: without the secret. */
export const tokenEntry = z.strictObject({
  id: z.string().regex(idPattern),
  name: z.string().min(1).max(100),
  role: z.enum(roles),
  /** The instances that it is limited to; all if absent. */
  instances: z.array(z.string().max(256)).min(1).max(64).optional(),
  /** SHA-256 of the token in hexadecimal. The token has 256 random bits, so no slower hash is needed. */
  hash: z.string().regex(hashPattern),
  created: z.iso.datetime(),
  expires: z.iso.datetime().nullable(),
})
export type TokenEntry = z.output<typeof tokenEntry>

/**
 * Creates a token.
 * @param expiresMs milliseconds since 1970; null for never
 * @returns its text, which cannot be recovered from the entry
 */
export function newToken(expiresMs: number | null): NewText {
  return newText('native', expiresMs)
}

/** Creates an invitation. @param expiresMs milliseconds since 1970 */
export function newTicket(expiresMs: number): NewText {
  return newText('native_ticket', expiresMs)
}

/** A newly made token or invitation. */
export interface NewText {
  /** What its owner keeps. */
  readonly text: string
  readonly id: string
  readonly hash: string
}

function newText(prefix: string, expiresMs: number | null): NewText {
  const id = randomBytes(idBytes).toString('hex')
  const expiry = expiresMs === null ? 0 : Math.floor(expiresMs / 1000)
  const text = `${prefix}_${id}_${expiry.toString(36)}_${randomBytes(secretBytes).toString('base64url')}`
  return { text, id, hash: sha256(text).toString('hex') }
}

/** What newToken returned for a token that was kept; undefined for anything else. */
export function keptToken(text: string): NewText | undefined {
  const id = shape.exec(text)?.[1]
  return id === undefined ? undefined : { text, id, hash: sha256(text).toString('hex') }
}

/** Does this look like one of our tokens? */
export function isToken(text: string): boolean {
  return shape.test(text)
}

/** Does this look like one of our invitations? */
export function isTicket(text: string): boolean {
  return ticketShape.test(text)
}

/**
 * When a token says it expires, in milliseconds since 1970; undefined for never, and for anything that is not a token.
 */
export function expiryIn(text: string): number | undefined {
  const seconds = Number.parseInt(shape.exec(text)?.[2] ?? '0', 36)
  return seconds === 0 ? undefined : seconds * 1000
}

/** The entry of a token or an invitation; undefined if there is none. Compared in constant time. */
export function entryOf<T extends { readonly hash: string }>(
  text: string,
  entries: ReadonlyMap<string, T>,
): T | undefined {
  const [, id = ''] = shape.exec(text) ?? ticketShape.exec(text) ?? []
  const entry = entries.get(id)
  return entry && timingSafeEqual(sha256(text), Buffer.from(entry.hash, 'hex')) ? entry : undefined
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
