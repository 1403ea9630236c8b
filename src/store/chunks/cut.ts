import type { Digest } from '../../core/digest.ts'
import { digestOf } from '../../core/hash.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import type { Blobs } from '../blobs.ts'
import type { Chunker } from './chunker.ts'

/** What a blob was cut into. */
export interface CutBlob {
  readonly chunks: readonly Digest[]
  /** Bytes of chunks that were not there before. */
  readonly bytesStored: number
}

/** Stores the chunks of a blob that are not there yet. */
export async function cutIntoChunks(
  blobs: Blobs,
  { fn }: Digest,
  pieces: AsyncIterable<Uint8Array>,
  chunker: Chunker,
): Promise<CutBlob> {
  // What lies in the system's memory is read without a turn of the event loop.
  const slice = createTimeSlice()
  const chunks: Digest[] = []
  let bytesStored = 0

  async function keep(bytes: Uint8Array): Promise<void> {
    const chunk = digestOf(fn, bytes)
    chunks.push(chunk)
    if ((await blobs.findMissing([chunk])).length === 0) return
    await blobs.put(chunk, bytes)
    bytesStored += chunk.size
  }

  for await (const piece of pieces) {
    for (const bytes of chunker.take(piece)) await keep(bytes)
    if (slice.over) await slice.next()
  }
  return { chunks, bytesStored }
}
