import type { FileHandle } from 'node:fs/promises'

/** Bytes that may be pending before they are flushed to disk. */
const bytesBetween = 32 * 1024 * 1024

/** One file at a time: Node has four threads for files, and the pieces of others need them. */
let isBusy = false

/**
 * Lets the disk take a file while it still grows. Otherwise the sync at its end writes all of it,
 * and everybody waits: a fifth of the time of a pull.
 * @returns to be told of bytes that were written; and the end of what is under way, which fails
 *   where the disk did: the kernel tells that only once, so a later sync would not
 */
export function writeBehind(handle: FileHandle): { grew(bytes: number): void; settled(): Promise<void> } {
  let waiting = 0
  let underWay = Promise.resolve()
  return {
    grew(bytes) {
      waiting += bytes
      if (waiting < bytesBetween || isBusy) return
      waiting = 0
      isBusy = true
      underWay = Promise.all([underWay, handle.datasync()])
        .then(() => undefined)
        .finally(() => {
          isBusy = false
        })
      underWay.catch(() => undefined)
    },
    settled: () => underWay,
  }
}
