/** How much is kept; beyond that the oldest is forgotten first. */
export interface HistoryBounds {
  readonly countMax: number
  readonly bytesMax: number
  readonly ageMsMax: number
}

/** Ended items that are kept for a while, oldest first. */
export interface History<T> {
  add(item: T, bytes: number): void
  /** Forgets one immediately. */
  remove(item: T): void
  /** Forgets those that have been kept long enough. */
  expire(): void
}

/**
 * An empty history.
 * @param forget called for each item that is dropped by these bounds
 */
export function createHistory<T>(bounds: HistoryBounds, now: () => number, forget: (item: T) => void): History<T> {
  const items = new Map<T, { readonly bytes: number; readonly at: number }>()
  let total = 0

  function remove(item: T): void {
    total -= items.get(item)?.bytes ?? 0
    items.delete(item)
  }

  function trim(): void {
    for (const [item, { at }] of items) {
      const small = items.size <= bounds.countMax && total <= bounds.bytesMax
      if (small && now() - at < bounds.ageMsMax) return
      remove(item)
      forget(item)
    }
  }

  return {
    add(item, bytes) {
      items.set(item, { bytes, at: now() })
      total += bytes
      trim()
    },
    remove,
    expire: trim,
  }
}
