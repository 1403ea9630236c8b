import { sizeText } from '../core/units.ts'
import type { Evictions } from '../store/evictions.ts'

const msPerMinute = 60_000

/** Tells people if, within the last hour, the store evicted blobs that had been used less than an hour before. */
export function roomNotes(evictions: Evictions | undefined): string[] {
  const idleMs = evictions?.youngestIdleMs()
  if (!evictions || idleMs === undefined) return []
  const minutes = Math.max(1, Math.ceil(idleMs / msPerMinute))
  const used = minutes === 1 ? 'in the minute before' : `${minutes} minutes before`
  return [
    `the cache (${sizeText(evictions.capacityBytes)}) is smaller than what builds need: it evicted what had been used ${used}; give it more room (--cache-size, or store.size in its configuration)`,
  ]
}
