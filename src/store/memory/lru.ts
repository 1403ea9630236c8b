import { Failure } from '../../core/failure.ts'

/** Values by key, the least recently used dropped first when a bound of bytes is reached. */
export interface Lru<Value> {
  /** The value, which thereby becomes the most recently used. */
  use(key: string): Value | undefined
  /** Stores or replaces; the bytes must have been reserved. */
  set(key: string, value: Value, bytes: number): void
  delete(key: string): void
  /**
   * Makes room for bytes that will come; answers a function that gives them back, once.
   * @throws Failure 'exhausted' when evicting everything would not be enough
   */
  reserve(bytes: number): () => void
  clear(): void
}

/** @param bytesMax what values and reservations may take together */
export function createLru<Value>(bytesMax: number): Lru<Value> {
  // A Map iterates in the order of insertion, so deleting and setting makes an entry the newest.
  const entries = new Map<string, { value: Value; bytes: number }>()
  let bytesHeld = 0
  let bytesReserved = 0

  function drop(key: string): void {
    const entry = entries.get(key)
    if (!entry) return
    entries.delete(key)
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
    set(key, value, bytes) {
      drop(key)
      entries.set(key, { value, bytes })
      bytesHeld += bytes
    },
    delete: drop,
    reserve(bytes) {
      if (bytesReserved + bytes > bytesMax)
        throw new Failure('exhausted', `${bytes} bytes do not fit into a store of ${bytesMax} bytes`, {
          next: ['Give the cache more room (--cache-size, or store.size in its configuration).'],
        })
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
    clear() {
      entries.clear()
      bytesHeld = 0
    },
  }
}
