import { randomBytes } from 'node:crypto'

const secretBytes = 32
/** Base64 of the full length; a truncated text is not a secret. */
const whole = /^[\w-]{43}$/

/** A new secret for the servers of one cluster, as its file holds it. */
export function newSecretText(): string {
  return randomBytes(secretBytes).toString('base64url')
}

/** Is this a secret as newSecretText makes it? */
export function isSecretText(text: string): boolean {
  return whole.test(text)
}
