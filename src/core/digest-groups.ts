import type { Digest } from './digest.ts'

/** Limits of a group; a single item above the limit is a group of its own. */
export interface GroupBounds {
  /** Total bytes of the items. */
  readonly bytesMax: number
  /** Items; unlimited by default. */
  readonly countMax?: number
}

/** Splits a list into groups that fit in memory, or in a message, together; their order stays. */
export function* groups<Item>(
  items: readonly Item[],
  bytesOf: (item: Item) => number,
  { bytesMax, countMax = Number.POSITIVE_INFINITY }: GroupBounds,
): Generator<Item[]> {
  let group: Item[] = []
  let bytes = 0
  for (const item of items) {
    const more = bytesOf(item)
    if (group.length > 0 && (group.length >= countMax || bytes + more > bytesMax)) {
      yield group
      group = []
      bytes = 0
    }
    group.push(item)
    bytes += more
  }
  if (group.length > 0) yield group
}

/** The same for digests, by the size of their blobs. */
export function digestGroups(digests: readonly Digest[], bounds: GroupBounds): Generator<Digest[]> {
  return groups(digests, ({ size }) => size, bounds)
}
