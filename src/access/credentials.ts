/** What an `authorization` header holds. */
export type Credentials =
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'unknown' }

/** Longer than any token. */
const headerLengthMax = 16 * 1024

/** Reads an `authorization` header (RFC 7617, RFC 6750). */
export function readCredentials(header: string): Credentials {
  const [, scheme = '', value = ''] = header.length > headerLengthMax ? [] : (/^(\S+) +(\S+) *$/.exec(header) ?? [])
  if (scheme.toLowerCase() === 'bearer') return { kind: 'bearer', token: value }
  if (scheme.toLowerCase() !== 'basic') return { kind: 'unknown' }
  const text = Buffer.from(value, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0
    ? { kind: 'unknown' }
    : { kind: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) }
}
