import type { LocalHistory } from '../core/build-history.ts'
import { type Digest, digestKey, digestText } from '../core/digest.ts'
import { type Load, loadable } from './load.ts'

/** Bytes cached in memory. */
const keptBytesMax = 64 * 1024 * 1024

/**
 * Reads messages from a history; recent ones are cached, since a thousand actions share their folders. Concurrent
 * requests are batched.
 */
export function loadFrom(history: Pick<LocalHistory, 'blobs'>): Load {
  const kept = new Map<string, Uint8Array | undefined>()
  let keptBytes = 0
  /** What was requested in this turn, and the read that serves it. */
  let wanted: Map<string, Digest> | undefined
  let reading: Promise<Found> = Promise.resolve(new Map())

  function ask(key: string, digest: Digest): Promise<Found> {
    if (!wanted) {
      const next = new Map<string, Digest>()
      wanted = next
      reading = Promise.resolve().then(() => read(next))
    }
    wanted.set(key, digest)
    return reading
  }

  async function read(digests: ReadonlyMap<string, Digest>): Promise<Found> {
    wanted = undefined
    const found = await history.blobs([...digests.values()])
    for (const key of digests.keys()) keep(key, found.get(key))
    return found
  }

  function keep(key: string, bytes: Uint8Array | undefined): void {
    if (kept.has(key)) return
    kept.set(key, bytes)
    keptBytes += entryBytes(key, bytes)
    for (const [oldest, old] of kept) {
      if (keptBytes <= keptBytesMax) break
      kept.delete(oldest)
      keptBytes -= entryBytes(oldest, old)
    }
  }

  return async (digests) => {
    const found = new Map<string, Uint8Array>()
    const later: { readonly digest: Digest; readonly key: string; readonly reading: Promise<Found> }[] = []
    for (const digest of digests) {
      const key = digestKey(digest)
      const bytes = kept.get(key)
      if (bytes) found.set(digestText(digest), bytes)
      else if (!kept.has(key) && loadable(digest)) later.push({ digest, key, reading: ask(key, digest) })
    }
    for (const { digest, key, reading } of later) {
      const bytes = (await reading).get(key)
      if (bytes) found.set(digestText(digest), bytes)
    }
    return found
  }
}

/** Bytes by digestKey. */
type Found = ReadonlyMap<string, Uint8Array>

function entryBytes(key: string, bytes: Uint8Array | undefined): number {
  return key.length + (bytes?.byteLength ?? 0) + 100
}
