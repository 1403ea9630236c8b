import type { Digest } from '../core/digest.ts'

/** Lists of digests by key; those that were not used for long are dropped. */
export interface DigestLists {
  get(key: string): readonly Digest[] | undefined
  set(key: string, digests: readonly Digest[]): void
}

/**
 * Two generations stand for an order of use: what is asked for moves to the young one, and
 * when that is full the old one is dropped. (A Map whose entries are deleted and set again
 * would keep an exact order, but each such move of one key slows down its next one until
 * the Map is rebuilt: 45 microseconds a move where a key is asked for again and again.)
 * @param digestsMax what all lists may hold together; a list over half of that is not kept
 */
export function createDigestLists(digestsMax: number): DigestLists {
  const generationMax = digestsMax / 2
  let young = new Map<string, readonly Digest[]>()
  let old = new Map<string, readonly Digest[]>()
  let youngHeld = 0

  function insert(key: string, digests: readonly Digest[]): void {
    if (youngHeld + weight(digests) > generationMax) {
      old = young
      young = new Map()
      youngHeld = 0
    }
    young.set(key, digests)
    youngHeld += weight(digests)
  }

  return {
    get(key) {
      const list = young.get(key)
      if (list) return list
      const aged = old.get(key)
      if (aged) insert(key, aged)
      return aged
    },
    set(key, digests) {
      if (young.has(key) || weight(digests) > generationMax) return
      insert(key, digests)
    },
  }
}

/** An empty list takes room as well. */
function weight(digests: readonly Digest[]): number {
  return digests.length + 1
}
