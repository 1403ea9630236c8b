/**
 * What was read while an action was checked, its Command and Directories, goes to the worker
 * with the assignment: that saves the worker a call to the storage, or several. It is a gift;
 * what does not fit is left out, and the worker fetches it.
 */
export interface Luggage {
  readonly blobs: readonly Uint8Array[]
  /** Nobody needs it any more. */
  drop(): void
}

/** What one action may carry: some hundred entries of directories beside its Command. */
export const luggageBytesMax = 64 * 1024
/** What all that wait may carry together. */
const totalBytesMax = 64 * 1024 * 1024
/** What a blob takes in memory beside its bytes. */
const blobCostBytes = 128

const none: Luggage = { blobs: [], drop: () => undefined }

/** Room for luggage of all actions that wait. */
export function createLuggageRoom(): (blobs: Iterable<Uint8Array>) => Luggage {
  let left = totalBytesMax
  return (blobs) => {
    const taken: Uint8Array[] = []
    let bytes = 0
    for (const blob of blobs) {
      const cost = blob.byteLength + blobCostBytes
      if (bytes + cost > luggageBytesMax || bytes + cost > left) break
      bytes += cost
      // A copy: it may be a small part of a large answer, which would stay in memory with it.
      taken.push(Uint8Array.from(blob))
    }
    if (taken.length === 0) return none
    left -= bytes
    return {
      get blobs() {
        return taken
      },
      drop() {
        taken.length = 0
        left += bytes
        bytes = 0
      },
    }
  }
}
