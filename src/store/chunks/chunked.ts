import type { Digest } from '../../core/digest.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Blobs } from '../blobs.ts'
import type { Holder, Pins } from '../pins.ts'
import type { Results } from '../results.ts'
import { chunkCounters } from './counters.ts'
import { createCutter } from './cutter.ts'
import {
  type Chunking,
  chunkingFunctions,
  isOf,
  isWithinBounds,
  unknownFunction,
  wholeBytesMaxOf,
} from './functions.ts'
import { copyWhole, joined, noChunk, verify } from './joined.ts'
import { chunksMax, createLayouts, type Layout } from './layouts.ts'

/** Blobs of which some are stored as chunks, which those that are nearly alike share. */
export interface ChunkedBlobs extends Blobs {
  readonly chunking: Chunking
  /**
   * The chunks of a blob. One that was stored whole is cut, and stands in its chunks from then on; one that stands in
   * chunks of another function than the preferred one is cut again. A use of the blob and of its chunks.
   * @param preferred ChunkingFunction.Value in the Remote Execution API; UNKNOWN takes what is there
   * @returns undefined when the blob is absent, or one of its chunks
   * @throws Failure 'exhausted' when there is no room for the chunks beside the blob
   */
  split(digest: Digest, preferred?: number): Promise<Layout | undefined>
  /**
   * Stores a blob that consists of others: as its layout where its chunks are as ours are, otherwise whole.
   * @throws Failure 'not-found' for a chunk that is absent, 'invalid' when they do not make the blob
   */
  splice(digest: Digest, layout: Layout): Promise<void>
}

/**
 * Blobs over a bound may be stored in chunks: wherever one is asked for, it is there as well as one
 * that is stored whole. Blobs that nobody asked to split are left as they are.
 */
export function chunked(
  inner: Blobs,
  results: Results,
  chunking: Chunking,
  metrics: Metrics,
  pins?: Pins,
): ChunkedBlobs {
  const layouts = createLayouts(results)
  const functions = chunkingFunctions(chunking)
  const functionOf = (value: number) => functions.find((each) => each.value === value) ?? functions[0]
  const counters = chunkCounters(metrics)
  const cutter = createCutter({ inner, layouts, counters, pins, stored })
  const wholeBytesMax = Math.min(...functions.map(wholeBytesMaxOf))

  /** The layout of a blob that is there in chunks, all of which are touched. */
  async function stored(digest: Digest, holder?: Holder): Promise<Layout | undefined> {
    if (digest.size <= wholeBytesMax) return undefined
    const layout = await layouts.get(digest)
    return layout && (await inner.findMissing(layout.chunks, holder)).length === 0 ? layout : undefined
  }

  /** Of what is not there whole, that which is not there in chunks either. Mostly nothing is that large. */
  function withoutChunked(missing: Digest[], holder?: Holder): Digest[] | Promise<Digest[]> {
    return missing.some(({ size }) => size > wholeBytesMax) ? absentOf(missing, holder) : missing
  }

  async function absentOf(missing: readonly Digest[], holder?: Holder): Promise<Digest[]> {
    const absent: Digest[] = []
    for (const digest of missing) if (!(await stored(digest, holder))) absent.push(digest)
    return absent
  }

  return {
    ...inner,
    chunking,
    findMissing(digests, holder) {
      const missing = inner.findMissing(digests, holder)
      return missing.then((each) => withoutChunked(each, holder))
    },
    locate: async (fn, hash) => (await inner.locate(fn, hash)) ?? layouts.locate(fn, hash),
    async read(digest, range, allocate) {
      const pieces = await inner.read(digest, range, allocate)
      if (pieces || digest.size <= wholeBytesMax) return pieces
      const layout = await stored(digest)
      return layout && joined(inner, digest, layout.chunks, range, allocate)
    },
    async delete(digest) {
      await inner.delete(digest)
      await layouts.delete(digest)
    },
    async split(digest, preferred = unknownFunction) {
      const by = functionOf(preferred)
      if (digest.size <= by.singleBytesMax) {
        const absent = (await inner.findMissing([digest])).length > 0
        return absent ? undefined : { chunks: digest.size > 0 ? [digest] : [], chunkingFunction: unknownFunction }
      }
      if (digest.size / by.minBytes > chunksMax) return undefined
      const layout = await stored(digest)
      if (!layout) return cutter.cut(digest, by)
      return by.value !== preferred || isOf(by, layout) ? layout : cutter.cutAgain(digest, by)
    },
    async splice(digest, { chunks, chunkingFunction }) {
      const [absent] = await inner.findMissing(chunks)
      if (absent) throw noChunk(absent)
      const by = functionOf(chunkingFunction)
      if (digest.size <= wholeBytesMaxOf(by) || !isWithinBounds(by, chunks)) return copyWhole(inner, digest, chunks)
      await verify(inner, digest, chunks)
      const known = by.value === chunkingFunction ? chunkingFunction : unknownFunction
      await layouts.put(digest, { chunks, chunkingFunction: known })
      counters.kept(digest.size, 0)
    },
  }
}
