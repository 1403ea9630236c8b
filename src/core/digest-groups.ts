import type { Digest } from './digest.ts'

/** Limits of a group; a single digest above the limit is a group of its own. */
export interface GroupBounds {
  /** Total bytes of the blobs. */
  readonly bytesMax: number
  /** Blobs; unlimited by default. */
  readonly countMax?: number
}

/** Splits a list of digests into groups whose blobs fit in memory, or in a message, together. */
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
