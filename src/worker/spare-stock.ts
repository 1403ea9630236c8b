/** What an earlier action has left, on disk. */
export interface StockItem {
  readonly key: string
  /** What it takes. */
  readonly bytes: number
}

/** Items that each wait for one further action which needs the same. */
export interface SpareStock<T extends StockItem> {
  /** Of all items. */
  readonly bytes: number
  has(key: string): boolean
  /** The one of this key that was added last. */
  latest(key: string): T | undefined
  /** The one that has waited for longest. */
  oldest(): T | undefined
  add(item: T): void
  /** Forgets it; what is on disk stays. */
  remove(item: T): void
}

export function createSpareStock<T extends StockItem>(): SpareStock<T> {
  const byKey = new Map<string, T[]>()
  const inOrder = new Set<T>()
  let bytes = 0

  return {
    get bytes() {
      return bytes
    },
    has: (key) => byKey.has(key),
    latest: (key) => byKey.get(key)?.at(-1),
    oldest: () => inOrder.values().next().value,
    add(item) {
      inOrder.add(item)
      byKey.set(item.key, [...(byKey.get(item.key) ?? []), item])
      bytes += item.bytes
    },
    remove(item) {
      inOrder.delete(item)
      bytes -= item.bytes
      const others = (byKey.get(item.key) ?? []).filter((each) => each !== item)
      if (others.length > 0) byKey.set(item.key, others)
      else byKey.delete(item.key)
    },
  }
}
