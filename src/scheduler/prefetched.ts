/**
 * What was read while an action was checked, its Command and Directories, is sent to the worker with the assignment,
 * which saves the worker one or more calls to storage. It is optional: what does not fit is left out, and the worker
 * fetches it.
 */
export interface Prefetched {
  readonly blobs: readonly Uint8Array[]
  /** Their size in memory. */
  readonly bytes: number
  /** Releases it once nobody needs it any more. */
  drop(): void
}

/** The most one action may carry: some hundred directory entries beside its Command. */
export const prefetchedBytesMax = 64 * 1024
/** The most all queued actions may carry together. */
const totalBytesMax = 64 * 1024 * 1024
/** Memory overhead of a blob. */
const blobCostBytes = 128

export const nothingPrefetched: Prefetched = { blobs: [], bytes: 0, drop: () => undefined }

/** A budget for the blobs of all queued actions. */
export function createPrefetchedBudget(): (blobs: Iterable<Uint8Array>) => Prefetched {
  let left = totalBytesMax
  return (blobs) => {
    const taken: Uint8Array[] = []
    let bytes = 0
    for (const blob of blobs) {
      const cost = blob.byteLength + blobCostBytes
      if (bytes + cost > prefetchedBytesMax || bytes + cost > left) break
      bytes += cost
      // A copy: it may be a small slice of a large answer, all of which would stay in memory.
      taken.push(Uint8Array.from(blob))
    }
    if (taken.length === 0) return nothingPrefetched
    left -= bytes
    return {
      blobs: taken,
      get bytes() {
        return bytes
      },
      drop() {
        taken.length = 0
        left += bytes
        bytes = 0
      },
    }
  }
}
