/**
 * What was read while an action was checked, its Command and Directories, goes to the worker
 * with the assignment: that saves the worker a call to the storage, or several. It is optional:
 * what does not fit is left out, and the worker fetches it.
 */
export interface Prefetched {
  readonly blobs: readonly Uint8Array[]
  /** What they take in memory. */
  readonly bytes: number
  /** Nobody needs it any more. */
  drop(): void
}

/** What one action may carry: some hundred entries of directories beside its Command. */
export const prefetchedBytesMax = 64 * 1024
/** What all that wait may carry together. */
const totalBytesMax = 64 * 1024 * 1024
/** What a blob takes in memory in addition to its bytes. */
const blobCostBytes = 128

export const nothingPrefetched: Prefetched = { blobs: [], bytes: 0, drop: () => undefined }

/** A budget for the blobs of all actions that wait. */
export function createPrefetchedBudget(): (blobs: Iterable<Uint8Array>) => Prefetched {
  let left = totalBytesMax
  return (blobs) => {
    const taken: Uint8Array[] = []
    let bytes = 0
    for (const blob of blobs) {
      const cost = blob.byteLength + blobCostBytes
      if (bytes + cost > prefetchedBytesMax || bytes + cost > left) break
      bytes += cost
      // A copy: it may be a small part of a large answer, which would stay in memory with it.
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
