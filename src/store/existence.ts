import type { Clock } from '../core/clock.ts'
import { type Digest, digestKey } from '../core/digest.ts'
import type { Blobs, BlobWriter } from './blobs.ts'

export interface ExistenceOptions {
  readonly clock: Clock
  /** How long a digest that was seen counts as present; much less than the backend keeps blobs. */
  readonly rememberMs: number
  /** Digests remembered at once; the oldest are forgotten first. */
  readonly entriesMax: number
}

/**
 * Remembers which blobs a slow backend was lately seen to have, so that findMissing need not
 * ask again. Only presence is remembered, never absence; a read that finds nothing forgets.
 */
export function existence(inner: Blobs, { clock, rememberMs, entriesMax }: ExistenceOptions): Blobs {
  // In the order of insertion, which is that of time.
  const seenAt = new Map<string, number>()

  function remember(digest: Digest): void {
    const key = digestKey(digest)
    seenAt.delete(key)
    seenAt.set(key, clock.now())
    if (seenAt.size <= entriesMax) return
    const [oldest] = seenAt.keys()
    if (oldest !== undefined) seenAt.delete(oldest)
  }

  function remembers(digest: Digest): boolean {
    const at = seenAt.get(digestKey(digest))
    return at !== undefined && clock.now() - at < rememberMs
  }

  function note<T>(digest: Digest, found: T | undefined): T | undefined {
    if (found === undefined) seenAt.delete(digestKey(digest))
    return found
  }

  function noting(digest: Digest, writer: BlobWriter): BlobWriter {
    return {
      get written() {
        return writer.written
      },
      write: (chunk) => writer.write(chunk),
      async commit() {
        await writer.commit()
        remember(digest)
      },
      abort: () => writer.abort(),
    }
  }

  return {
    async findMissing(digests) {
      const asked = digests.filter((digest) => !remembers(digest))
      if (asked.length === 0) return []
      const missing = await inner.findMissing(asked)
      const absent = new Set(missing.map(digestKey))
      for (const digest of asked) if (!absent.has(digestKey(digest))) remember(digest)
      return missing
    },
    get: async (digest, allocate) => note(digest, await inner.get(digest, allocate)),
    read: async (digest, range, allocate) => note(digest, await inner.read(digest, range, allocate)),
    async put(digest, bytes) {
      await inner.put(digest, bytes)
      remember(digest)
    },
    write: async (digest) => noting(digest, await inner.write(digest)),
    async delete(digest) {
      seenAt.delete(digestKey(digest))
      await inner.delete(digest)
    },
    close: () => inner.close(),
  }
}
