import type { Digest, DigestFunction } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'

/** Values by key, the least recently used dropped first when a bound of bytes is reached. */
export interface Lru<Value> {
  /** The value, which thereby becomes the most recently used. */
  use(key: string): Value | undefined
  /** The key stored last of those that are this and one more segment; no use of it. */
  below(stem: string): string | undefined
  /** Stores or replaces; the bytes must have been reserved. */
  set(key: string, value: Value, bytes: number): void
  delete(key: string): void
  /**
   * Makes room for bytes that will come; answers a function that gives them back, once.
   * @throws Failure 'exhausted' when evicting everything would not be enough
   */
  reserve(bytes: number): () => void
  /** @throws Failure 'exhausted' when so many bytes can never be there */
  assertFits(bytes: number): void
  clear(): void
}

/** @param bytesMax what values and reservations may take together */
export function createLru<Value>(bytesMax: number): Lru<Value> {
  // A Map iterates in the order of insertion, so deleting and setting makes an entry the newest.
  const entries = new Map<string, { value: Value; bytes: number }>()
  const byStem = new Map<string, string>()
  let bytesHeld = 0
  let bytesReserved = 0

  function drop(key: string): void {
    const entry = entries.get(key)
    if (!entry) return
    entries.delete(key)
    if (byStem.get(stemOf(key)) === key) byStem.delete(stemOf(key))
    bytesHeld -= entry.bytes
  }

  return {
    use(key) {
      const entry = entries.get(key)
      if (!entry) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry.value
    },
    below: (stem) => byStem.get(stem),
    set(key, value, bytes) {
      drop(key)
      byStem.set(stemOf(key), key)
      entries.set(key, { value, bytes })
      bytesHeld += bytes
    },
    delete: drop,
    reserve(bytes) {
      if (bytesReserved + bytes > bytesMax) throw exhausted(bytes, bytesMax)
      for (const key of entries.keys()) {
        if (bytesHeld + bytesReserved + bytes <= bytesMax) break
        drop(key)
      }
      bytesReserved += bytes
      let held = true
      return () => {
        if (held) bytesReserved -= bytes
        held = false
      }
    },
    assertFits(bytes) {
      if (bytes > bytesMax) throw exhausted(bytes, bytesMax)
    },
    clear() {
      entries.clear()
      byStem.clear()
      bytesHeld = 0
    },
  }
}

/** The digest of the value of this hash that was stored last, where keys are those of `digestKey`. */
export function locateIn(lru: Lru<unknown>, fn: DigestFunction, hash: string): Digest | undefined {
  const stem = `${fn}/${hash}`
  const key = lru.below(stem)
  return key === undefined ? undefined : { fn, hash, size: Number(key.slice(stem.length + 1)) }
}

/** All but the last segment. */
function stemOf(key: string): string {
  return key.slice(0, Math.max(key.lastIndexOf('/'), 0))
}

function exhausted(bytes: number, bytesMax: number): Failure {
  return new Failure('exhausted', `${bytes} bytes do not fit into a store of ${bytesMax} bytes`, {
    next: ['Give the cache more room (--cache-size, or store.size in its configuration).'],
  })
}
