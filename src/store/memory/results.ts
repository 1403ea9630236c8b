import { digestKey } from '../../core/digest.ts'
import type { Results } from '../results.ts'
import { createLru, locateIn } from './lru.ts'

/**
 * Action results in memory, evicted by last use.
 * @param bytesMax what the values may take; keys come on top
 */
export function createMemoryResults(bytesMax: number): Results {
  const lru = createLru<Uint8Array>(bytesMax)
  return {
    async get(action) {
      return lru.use(digestKey(action))
    },
    locate: async (fn, hash) => locateIn(lru, fn, hash),
    async put(action, value) {
      const key = digestKey(action)
      lru.delete(key)
      lru.reserve(value.byteLength)()
      lru.set(key, new Uint8Array(value), value.byteLength)
    },
    async delete(action) {
      lru.delete(digestKey(action))
    },
    async close() {
      lru.clear()
    },
  }
}
