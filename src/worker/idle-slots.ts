import type { SlotKind } from './limited-slots.ts'
import type { Slot } from './slot.ts'

/** The slots in which nothing runs, by their kinds. */
export interface IdleSlots {
  /** The one that was used last, of the kind with this key. */
  take(key: string): Slot | undefined
  /** @returns the slots of the kind that was not used for longest, if these are too many kinds */
  add(slot: Slot, key: string): readonly Slot[]
  clear(): void
}

/** For how many kinds of slots idle ones are kept. */
const kindsMax = 8

export function createIdleSlots(): IdleSlots {
  const idle = new Map<string, Slot[]>()
  return {
    take(key) {
      const free = idle.get(key)
      const slot = free?.pop()
      if (!slot) idle.delete(key)
      return slot
    },
    add(slot, key) {
      const free = idle.get(key) ?? []
      free.push(slot)
      // The most recently used kind of slots is evicted last.
      idle.delete(key)
      idle.set(key, free)
      const [oldest] = idle.keys()
      if (idle.size <= kindsMax || oldest === undefined) return []
      const gone = idle.get(oldest) ?? []
      idle.delete(oldest)
      return gone
    },
    clear: () => idle.clear(),
  }
}

/** The same for slots of one kind. */
export function slotKey({ network, image, limits }: SlotKind): string {
  const { memoryBytes, cpus, pids, fileBytes, diskBytes } = limits
  return JSON.stringify([network, image, memoryBytes, cpus, pids, fileBytes, diskBytes])
}
