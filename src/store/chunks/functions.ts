import type { Digest } from '../../core/digest.ts'
import { smallBlobBytesMax } from '../../core/limits.ts'
import type { Chunker } from './chunker.ts'
import { createFastCdcChunker, type FastCdcParams, maxBytesOf, minBytesOf } from './fast-cdc.ts'
import { chunksMax, type Layout } from './layouts.ts'
import { createRepMaxCdcChunker, type RepMaxCdcParams } from './rep-max-cdc.ts'

/** How blobs are cut, by each of the functions that a client may ask for. */
export interface Chunking {
  readonly fastCdc: FastCdcParams
  readonly repMaxCdc: RepMaxCdcParams
}

/** A way to cut blobs. */
export interface ChunkingFunction {
  /** ChunkingFunction.Value in the Remote Execution API. */
  readonly value: number
  /** No chunk but a blob's last one is shorter. */
  readonly minBytes: number
  /** No chunk is longer. */
  readonly maxBytes: number
  /** A blob of at most so many bytes is one chunk. */
  readonly singleBytesMax: number
  chunkerFor(size: number): Chunker
}

/** ChunkingFunction.Value in the Remote Execution API of what no function, or one that is not ours, has cut. */
export const unknownFunction = 0
const fastCdc2020 = 1
const repMaxCdc = 2

/** The functions that there are; the first where a client does not mind, since most ask for it. */
export function chunkingFunctions({
  fastCdc,
  repMaxCdc: repMax,
}: Chunking): readonly [ChunkingFunction, ...ChunkingFunction[]] {
  return [
    {
      value: fastCdc2020,
      minBytes: minBytesOf(fastCdc),
      maxBytes: maxBytesOf(fastCdc),
      singleBytesMax: minBytesOf(fastCdc),
      chunkerFor: (size) => createFastCdcChunker(fastCdc, size),
    },
    {
      value: repMaxCdc,
      minBytes: repMax.minBytes,
      maxBytes: 2 * repMax.minBytes - 1,
      singleBytesMax: 2 * repMax.minBytes - 1,
      chunkerFor: (size) => createRepMaxCdcChunker(repMax, size),
    },
  ]
}

/** Is the layout as the function makes them? Where nobody said which one did, its chunks must have a size that it allows. */
export function isOf({ value, maxBytes }: ChunkingFunction, { chunks, chunkingFunction }: Layout): boolean {
  if (chunkingFunction !== unknownFunction && chunkingFunction !== value) return false
  return chunks.every(({ size }) => size <= maxBytes)
}

/** Chunks that a client cut are kept as they are unless they are tiny, or larger than clients accept. */
export function isWithinBounds({ minBytes, maxBytes }: ChunkingFunction, chunks: readonly Digest[]): boolean {
  if (chunks.length > chunksMax) return false
  const last = chunks.length - 1
  return chunks.every(({ size }, at) => size <= maxBytes && (at === last || size >= minBytes))
}

/** Smaller ones are always whole: their readers want them in one piece. */
export function wholeBytesMaxOf({ maxBytes }: ChunkingFunction): number {
  return Math.max(maxBytes, smallBlobBytesMax)
}
