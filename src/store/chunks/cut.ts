import type { Digest } from '../../core/digest.ts'
import { digestOf } from '../../core/hash.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import type { Blobs } from '../blobs.ts'
import { createCutter, type FastCdcParams } from './fast-cdc.ts'

/** What a blob was cut into. */
export interface CutBlob {
  readonly chunks: readonly Digest[]
  /** Bytes of chunks that were not there before. */
  readonly bytesStored: number
}

/** Stores the chunks of a blob that are not there yet. */
export async function cutIntoChunks(
  blobs: Blobs,
  { fn, size }: Digest,
  pieces: AsyncIterable<Uint8Array>,
  params: FastCdcParams,
): Promise<CutBlob> {
  const cutter = createCutter(params, size)
  // What lies in the system's memory is read without a turn of the event loop.
  const slice = createTimeSlice()
  const chunks: Digest[] = []
  let bytesStored = 0
  /** The chunk so far. */
  let parts: Uint8Array[] = []

  async function keep(): Promise<void> {
    const bytes = Buffer.concat(parts)
    parts = []
    const chunk = digestOf(fn, bytes)
    chunks.push(chunk)
    if ((await blobs.findMissing([chunk])).length === 0) return
    await blobs.put(chunk, bytes)
    bytesStored += chunk.size
  }

  for await (const piece of pieces) {
    let from = 0
    while (from < piece.length) {
      const end = cutter.next(piece, from)
      parts.push(piece.subarray(from, end < 0 ? piece.length : end))
      if (end < 0) break
      await keep()
      from = end
    }
    if (slice.over) await slice.next()
  }
  return { chunks, bytesStored }
}
