/** How many bytes a varint takes. */
export function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1
  return length
}

/** Writes a whole number from 0 to 2^53 - 1; answers where it ends. */
export function putVarint(into: Uint8Array, at: number, value: number): number {
  let position = at
  let rest = value
  while (rest >= 0x80) {
    into[position] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
    position += 1
  }
  into[position] = rest
  return position + 1
}

/** How many bytes a bytes field takes whose number is below 16. */
export function fieldLength(length: number): number {
  return 1 + varintLength(length) + length
}

/** What a Digest message takes, without the tag and length before it. */
export function digestLength(digest: { readonly hash: string; readonly size: number }): number {
  const hash = digest.hash === '' ? 0 : fieldLength(digest.hash.length)
  return hash + (digest.size === 0 ? 0 : 1 + varintLength(digest.size))
}

/** Writes a Digest message under this tag; the hash is ASCII. */
export function putDigest(
  into: Buffer,
  at: number,
  tag: number,
  digest: { readonly hash: string; readonly size: number },
): number {
  let position = at
  into[position] = tag
  position = putVarint(into, position + 1, digestLength(digest))
  if (digest.hash !== '') {
    into[position] = 0x0a
    position = putVarint(into, position + 1, digest.hash.length)
    position += into.write(digest.hash, position, 'latin1')
  }
  if (digest.size === 0) return position
  into[position] = 0x10
  return putVarint(into, position + 1, digest.size)
}
