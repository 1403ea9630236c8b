import type { Digest, DigestFunction } from '../core/digest.ts'
import { digestText } from '../core/digest.ts'
import { Failure } from '../core/failure.ts'
import { computableFunctions, createHasher, digestOf } from '../core/hash.ts'
import { smallBlobBytesMax } from '../core/limits.ts'
import { type Blobs, type BlobWriter, type ReadRange, stored, type WholeBlob } from './blobs.ts'

/**
 * The front door of every backend: the one place where bytes are held against their digest,
 * ranges and sizes are checked, and the empty blob exists without being stored. A backend
 * behind it sees neither size 0 nor a range that leaves the blob, and may trust what it is given.
 */
export function verified(inner: Blobs): Blobs {
  return {
    async findMissing(digests, holder) {
      if (!digests.some((digest) => digest.size === 0)) return inner.findMissing(digests, holder)
      return inner.findMissing(
        digests.filter((digest) => !isEmptyBlob(digest)),
        holder,
      )
    },
    async locate(fn, hash) {
      return hash === emptyHashes.get(fn) ? { fn, hash, size: 0 } : inner.locate(fn, hash)
    },
    // Not async: a promise of its own would be a good part of a small blob's time.
    get(digest, allocate) {
      if (digest.size > 0 && digest.size <= smallBlobBytesMax) return inner.get(digest, allocate)
      return digest.size === 0 ? Promise.resolve(isEmptyBlob(digest) ? nothing : undefined) : refusedWhole(digest)
    },
    async put(digest, bytes) {
      assertContent(digest, bytes)
      if (digest.size > 0) await inner.put(digest, bytes)
    },
    async putAll(blobs) {
      const refused = refusals(blobs)
      if (!refused && blobs.every(({ digest }) => digest.size > 0)) return inner.putAll(blobs)
      const sound = blobs.filter((blob) => blob.digest.size > 0 && !refused?.has(blob))
      const outcomes = new Map<WholeBlob | undefined, PromiseSettledResult<void>>(refused)
      for (const [at, outcome] of (await inner.putAll(sound)).entries()) outcomes.set(sound[at], outcome)
      return blobs.map((blob) => outcomes.get(blob) ?? stored)
    },
    async read(digest, range, allocate) {
      const checked = checkedRange(digest, range)
      if (digest.size === 0) return isEmptyBlob(digest) ? noPieces() : undefined
      return inner.read(digest, checked, allocate)
    },
    async write(digest) {
      return verifiedWriter(digest, digest.size === 0 ? discard() : await inner.write(digest))
    },
    async delete(digest) {
      if (digest.size > 0) await inner.delete(digest)
    },
    close: () => inner.close(),
  }
}

async function refusedWhole(digest: Digest): Promise<never> {
  throw new Failure('invalid', `a blob over ${smallBlobBytesMax} bytes is read in pieces, never whole`, {
    where: digestText(digest),
  })
}

function verifiedWriter(digest: Digest, inner: BlobWriter): BlobWriter {
  const hasher = createHasher(digest.fn)
  let hashed = 0
  let hash: string | undefined
  return {
    get written() {
      return inner.written
    },
    write(chunk) {
      if (inner.written + chunk.byteLength > digest.size) assertSize(digest, inner.written + chunk.byteLength)
      // Bytes for which there was no room have been hashed, and come again.
      const again = hashed - inner.written
      // Where the write goes through the thread pool, the hash is computed meanwhile.
      const writing = inner.write(chunk)
      hasher.update(again === 0 ? chunk : chunk.subarray(again))
      hashed += chunk.byteLength - again
      return writing
    },
    async commit() {
      assertSize(digest, inner.written)
      // A commit that found no room is asked again.
      hash ??= hasher.hex()
      assertHash(digest, hash)
      await inner.commit()
    },
    abort: () => inner.abort(),
  }
}

/** Those of the blobs whose bytes are not their digest's, and why; undefined when there are none. */
function refusals(blobs: readonly WholeBlob[]): Map<WholeBlob, PromiseRejectedResult> | undefined {
  let refused: Map<WholeBlob, PromiseRejectedResult> | undefined
  for (const blob of blobs) {
    try {
      assertContent(blob.digest, blob.bytes)
    } catch (reason) {
      refused ??= new Map()
      refused.set(blob, { status: 'rejected', reason })
    }
  }
  return refused
}

function assertContent(digest: Digest, bytes: Uint8Array): void {
  assertSize(digest, bytes.byteLength)
  assertHash(digest, digestOf(digest.fn, bytes).hash)
}

function assertSize(digest: Digest, actual: number): void {
  if (actual === digest.size) return
  throw new Failure('invalid', `the blob has ${actual > digest.size ? 'more' : 'fewer'} bytes than its digest says`, {
    where: `${digestText(digest)}, got ${actual} bytes`,
  })
}

function assertHash(digest: Digest, actual: string): void {
  if (actual === digest.hash) return
  throw new Failure('invalid', `the blob's bytes have a different ${digest.fn} hash than its digest says`, {
    where: `${digestText(digest)}, got ${actual}`,
  })
}

/** The range, with a limit that ends within the blob. */
function checkedRange(digest: Digest, range: ReadRange = { offset: 0 }): ReadRange {
  const { offset, limit } = range
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > digest.size)
    throw new Failure('out-of-range', `a read cannot begin at ${offset}`, { where: digestText(digest) })
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit <= 0))
    throw new Failure('invalid', `a read's limit must be over 0, not ${limit}`, { where: digestText(digest) })
  return { offset, limit: Math.min(limit ?? digest.size, digest.size - offset) }
}

const nothing = new Uint8Array(0)
/** Known for BLAKE3 also where this process cannot compute it. */
const emptyHashes = new Map<DigestFunction, string>([
  ['blake3', 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  ...computableFunctions.map((fn): [DigestFunction, string] => [fn, digestOf(fn, nothing).hash]),
])

function isEmptyBlob(digest: Digest): boolean {
  return digest.size === 0 && digest.hash === emptyHashes.get(digest.fn)
}

async function* noPieces(): AsyncGenerator<Uint8Array> {
  // The empty blob has none.
}

/** Takes the empty blob in: there is nothing to keep. */
function discard(): BlobWriter {
  const settled = Promise.resolve()
  return { written: 0, write: () => settled, commit: () => settled, abort: () => settled }
}
