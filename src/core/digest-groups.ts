import type { Digest } from './digest.ts'

/** What a group may hold; a single digest above the bound is a group of its own. */
export interface GroupBounds {
  /** Bytes of the blobs together. */
  readonly bytesMax: number
  /** Blobs; as many as fit by default. */
  readonly countMax?: number
}

/** Cuts a list of digests into groups whose blobs fit in memory, or in a message, together. */
export function* digestGroups(
  digests: readonly Digest[],
  { bytesMax, countMax = Number.POSITIVE_INFINITY }: GroupBounds,
): Generator<Digest[]> {
  let group: Digest[] = []
  let bytes = 0
  for (const digest of digests) {
    if (group.length > 0 && (group.length >= countMax || bytes + digest.size > bytesMax)) {
      yield group
      group = []
      bytes = 0
    }
    group.push(digest)
    bytes += digest.size
  }
  if (group.length > 0) yield group
}
