import { type Digest, digestText } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { createHasher } from '../../core/hash.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import type { Allocate, Blobs, ReadRange } from '../blobs.ts'

/** Reads all chunks. @throws Failure 'invalid' when they are not the blob, 'not-found' */
export async function verify(inner: Blobs, digest: Digest, chunks: readonly Digest[]): Promise<void> {
  const hasher = createHasher(digest.fn)
  const slice = createTimeSlice()
  for (const chunk of chunks) {
    for await (const piece of await opened(inner, chunk)) hasher.update(piece)
    if (slice.over) await slice.next()
  }
  const hash = hasher.hex()
  if (hash !== digest.hash)
    throw new Failure('invalid', `the chunks together have a different ${digest.fn} hash than the blob`, {
      where: `${digestText(digest)}, got ${hash}`,
    })
}

/** Stores the blob that the chunks make. @throws Failure 'invalid' when that is another one, 'not-found' */
export async function copyWhole(inner: Blobs, digest: Digest, chunks: readonly Digest[]): Promise<void> {
  const writer = await inner.write(digest)
  try {
    for (const chunk of chunks) for await (const piece of await opened(inner, chunk)) await writer.write(piece)
    await writer.commit()
  } catch (error) {
    await writer.abort()
    throw error
  }
}

async function opened(inner: Blobs, chunk: Digest): Promise<AsyncIterable<Uint8Array>> {
  const pieces = await inner.read(chunk)
  if (!pieces) throw noChunk(chunk)
  return pieces
}

export function noChunk(chunk: Digest): Failure {
  return new Failure('not-found', 'there is no such chunk', { where: digestText(chunk) })
}

/**
 * A part of a blob, chunk by chunk. One that is evicted meanwhile breaks the read off: its client comes back.
 * @throws Failure 'out-of-range'
 */
export function joined(
  inner: Blobs,
  digest: Digest,
  chunks: readonly Digest[],
  { offset, limit }: ReadRange = { offset: 0 },
  allocate?: Allocate,
): AsyncIterable<Uint8Array> {
  if (offset > digest.size)
    throw new Failure('out-of-range', `a read cannot begin at ${offset}`, { where: digestText(digest) })
  const to = Math.min(digest.size, offset + (limit ?? digest.size))
  return join(inner, digest, chunks, { from: offset, to }, allocate)
}

async function* join(
  inner: Blobs,
  digest: Digest,
  chunks: readonly Digest[],
  { from, to }: { from: number; to: number },
  allocate?: Allocate,
): AsyncGenerator<Uint8Array> {
  let start = 0
  for (const chunk of chunks) {
    const offset = Math.max(from - start, 0)
    const end = Math.min(to - start, chunk.size)
    start += chunk.size
    if (offset >= end) continue
    const pieces = await inner.read(chunk, { offset, limit: end - offset }, allocate)
    if (!pieces)
      throw new Failure('unavailable', 'a chunk of the blob was evicted while it was read', {
        where: digestText(digest),
      })
    yield* pieces
  }
}
