import { type Digest, type DigestFunction, digestKey } from '../../core/digest.ts'
import type { Age } from './age.ts'
import { largeFileBytes, largeFilePath } from './large-file.ts'
import { burstSteps, type Reuse } from './reuse.ts'
import type { Reuses } from './reuses.ts'

/** A blob in a file of its own. */
export interface LargeFile {
  readonly digest: Digest
  readonly path: string
  /** What it takes on disk. */
  readonly bytes: number
  /** Age of its last use. */
  readonly used: number
  readonly reuse: Reuse
}

/** The same as its store keeps it. */
export interface KeptFile extends LargeFile {
  used: number
  reuse: Reuse
  /** One for being in the store, and one for each that reads it; its bytes are free at 0. */
  holds: number
}

/** The large blobs that there are, in the order of their last use. */
export interface LargeFileTable {
  readonly size: number
  all(): Iterable<KeptFile>
  get(digest: Digest): KeptFile | undefined
  /** The blob with this hash, whatever its size. */
  locate(fn: DigestFunction, hash: string): Digest | undefined
  /** Adds it as the one that was used last. */
  add(digest: Digest, used: number, reuse: Reuse): void
  /** Finds it, and counts a use. */
  use(digest: Digest): KeptFile | undefined
  remove(file: KeptFile): void
}

/** @param folder the files' own */
export function createLargeFileTable(folder: string, age: Age, reuses: Reuses): LargeFileTable {
  // A Map iterates in the order of insertion: deleting and setting makes a file the newest.
  const files = new Map<string, KeptFile>()
  // Its bytes are held against their digest before a blob is stored, so that a hash has one size.
  const byHash = new Map<string, Digest>()
  return {
    get size() {
      return files.size
    },
    all: () => files.values(),
    get: (digest) => files.get(digestKey(digest)),
    locate: (fn, hash) => byHash.get(hashKey(fn, hash)),
    add(digest, used, reuse) {
      const path = largeFilePath(folder, digest)
      byHash.set(hashKey(digest.fn, digest.hash), digest)
      files.set(digestKey(digest), { digest, path, bytes: largeFileBytes(digest.size), used, reuse, holds: 1 })
    },
    use(digest) {
      const key = digestKey(digest)
      const file = files.get(key)
      if (!file) return undefined
      const steps = age.now - file.used
      if (steps >= burstSteps) file.reuse = reuses.again(file.reuse, steps, file.bytes)
      file.used = age.now
      files.delete(key)
      files.set(key, file)
      return file
    },
    remove({ digest }) {
      files.delete(digestKey(digest))
      byHash.delete(hashKey(digest.fn, digest.hash))
    },
  }
}

function hashKey(fn: DigestFunction, hash: string): string {
  return `${fn}/${hash}`
}
