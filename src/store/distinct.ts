import { type Digest, digestKey, sameDigest } from '../core/digest.ts'

/** Below this many, comparing each with each is cheaper than a set of keys. */
const comparedMax = 8

/** Each digest once, in the order of first mention. */
export function distinct(digests: readonly Digest[]): Digest[] {
  if (digests.length <= 1) return [...digests]
  if (digests.length <= comparedMax)
    return digests.filter((digest, at) => digests.findIndex((other) => sameDigest(digest, other)) === at)
  const seen = new Set<string>()
  return digests.filter((digest) => {
    const before = seen.size
    seen.add(digestKey(digest))
    return seen.size > before
  })
}
