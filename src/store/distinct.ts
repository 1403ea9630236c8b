import { type Digest, digestKey, sameDigest } from '../core/digest.ts'

/** Below this many, comparing each with each is cheaper than a set of keys. */
const comparedMax = 8

/** Each digest once, in the order of first mention. */
export function distinct(digests: readonly Digest[]): Digest[] {
  if (digests.length <= 1) return [...digests]
  if (digests.length <= comparedMax)
    return digests.filter((digest, at) => digests.findIndex((other) => sameDigest(digest, other)) === at)
  const byHash = new Map<string, Digest>()
  // Those whose hash another had before them, with another size or function.
  const others = new Set<string>()
  return digests.filter((digest) => {
    const known = byHash.get(digest.hash)
    if (!known) {
      byHash.set(digest.hash, digest)
      return true
    }
    if (sameDigest(known, digest)) return false
    const before = others.size
    others.add(digestKey(digest))
    return others.size > before
  })
}
