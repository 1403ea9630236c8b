import { createHash } from 'node:crypto'

const rounds = 1000
const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const magic = '$apr1$'
/** The order in which the digest's bytes are encoded, three to four characters per group. */
const groups = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
] as const
const lastByte = 11

/**
 * Apache's variant of the MD5 crypt, `$apr1$salt$hash`: the default of `htpasswd` for twenty years. It is weak, and
 * supported only for existing files.
 */
export function apr1(password: string, salt: string): string {
  const inner = md5(password, salt, password)
  const length = Buffer.byteLength(password)
  const parts: (string | Uint8Array)[] = [password, magic, salt]
  for (let left = length; left > 0; left -= 16) parts.push(inner.subarray(0, Math.min(left, 16)))
  const first = Buffer.from(password).subarray(0, 1)
  for (let bits = length; bits > 0; bits >>= 1) parts.push(bits & 1 ? Buffer.of(0) : first)
  let digest = md5(...parts)
  for (let round = 0; round < rounds; round += 1)
    digest = md5(
      round & 1 ? password : digest,
      ...(round % 3 === 0 ? [] : [salt]),
      ...(round % 7 === 0 ? [] : [password]),
      round & 1 ? digest : password,
    )
  return `${magic}${salt}$${written(digest)}`
}

function written(digest: Uint8Array): string {
  const at = (index: number) => digest[index] ?? 0
  const all = groups.map(([high, middle, low]) => characters((at(high) << 16) | (at(middle) << 8) | at(low), 4))
  return `${all.join('')}${characters(at(lastByte), 2)}`
}

/** Six bits per character, least significant first. */
function characters(value: number, count: number): string {
  return Array.from({ length: count }, (_, index) => alphabet[(value >> (6 * index)) & 0x3f]).join('')
}

function md5(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash('md5')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
