import { type Digest, type DigestFunction, digestKey } from '../../core/digest.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import type { Age } from './age.ts'
import { largeFileBytes, largeFilePath } from './large-file.ts'
import type { Markable, MarksChanged } from './pin-tally.ts'
import { burstSteps, type Reuse } from './reuse.ts'
import type { Reuses } from './reuses.ts'

/** A blob in a file of its own. */
export interface LargeFile {
  readonly digest: Digest
  readonly path: string
  /** What it takes on disk. */
  readonly bytes: number
  /** When it was stored, in milliseconds since 1970. */
  readonly writtenMs: number
  /** Age of its last use. */
  readonly used: number
  readonly reuse: Reuse
  /** A bit for each invocation that it is kept for (pins.ts). */
  readonly marks: number
}

/** The same as its store keeps it. */
export interface KeptFile extends LargeFile {
  used: number
  reuse: Reuse
  marks: number
  /** One for being in the store, and one for each that reads it; its bytes are free at 0. */
  holds: number
}

/** The large blobs that there are, in the order of their last use. */
export interface LargeFileTable extends Markable {
  readonly size: number
  all(): Iterable<KeptFile>
  get(digest: Digest): KeptFile | undefined
  /** The blob with this hash, whatever its size. */
  locate(fn: DigestFunction, hash: string): Digest | undefined
  /** Adds it as the one that was used last. */
  add(added: Pick<LargeFile, 'digest' | 'used' | 'reuse' | 'writtenMs'>): void
  /** Finds it, and counts a use. */
  use(digest: Digest): KeptFile | undefined
  remove(file: KeptFile): void
}

/**
 * @param folder the files' own
 * @param marked is told of every change to what invocations hold
 */
export function createLargeFileTable(folder: string, age: Age, reuses: Reuses, marked: MarksChanged): LargeFileTable {
  // A Map iterates in the order of insertion: deleting and setting makes a file the newest.
  const files = new Map<string, KeptFile>()
  // Its bytes are held against their digest before a blob is stored, so that a hash has one size.
  const byHash = new Map<string, Digest>()

  function use(digest: Digest): KeptFile | undefined {
    const key = digestKey(digest)
    const file = files.get(key)
    if (!file) return undefined
    const steps = age.now - file.used
    if (steps >= burstSteps) file.reuse = reuses.again(file.reuse, steps, file.bytes)
    file.used = age.now
    files.delete(key)
    files.set(key, file)
    return file
  }

  function mark(file: KeptFile, after: number): void {
    const before = file.marks
    if (before === after) return
    file.marks = after
    marked(before, after, file.bytes)
  }

  return {
    get size() {
      return files.size
    },
    all: () => files.values(),
    get: (digest) => files.get(digestKey(digest)),
    locate: (fn, hash) => byHash.get(hashKey(fn, hash)),
    add(added) {
      const { digest } = added
      const path = largeFilePath(folder, digest)
      byHash.set(hashKey(digest.fn, digest.hash), digest)
      files.set(digestKey(digest), { ...added, path, bytes: largeFileBytes(digest.size), marks: 0, holds: 1 })
    },
    use,
    pin(digest, bits) {
      const file = use(digest)
      if (!file) return undefined
      const before = file.marks
      mark(file, before | bits)
      return before
    },
    unpin(digest, bits) {
      const file = files.get(digestKey(digest))
      if (file) mark(file, file.marks & ~bits)
    },
    async unpinAll(bits) {
      const slice = createTimeSlice(1)
      for (const file of [...files.values()]) {
        mark(file, file.marks & ~bits)
        if (slice.over) await slice.next()
      }
    },
    remove(file) {
      const { digest } = file
      mark(file, 0)
      files.delete(digestKey(digest))
      byHash.delete(hashKey(digest.fn, digest.hash))
    },
  }
}

function hashKey(fn: DigestFunction, hash: string): string {
  return `${fn}/${hash}`
}
