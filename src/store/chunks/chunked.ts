import { type Digest, digestKey, digestText } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { createHasher } from '../../core/hash.ts'
import { smallBlobBytesMax } from '../../core/limits.ts'
import { createSemaphore } from '../../core/semaphore.ts'
import { createTimeSlice } from '../../host/time-slice.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Allocate, Blobs, ReadRange } from '../blobs.ts'
import type { Holder, Pins } from '../pins.ts'
import type { Results } from '../results.ts'
import { cutIntoChunks } from './cut.ts'
import { type FastCdcParams, maxBytesOf, minBytesOf } from './fast-cdc.ts'
import { chunksMax, createLayouts, type Layout } from './layouts.ts'

/** ChunkingFunction.Value in the Remote Execution API. */
const unknownFunction = 0
const fastCdc2020 = 1
/** Blobs that are cut at once: each keeps a processor busy. */
const cutsMax = 2

/** Blobs of which some are stored as chunks, which those that are nearly alike share. */
export interface ChunkedBlobs extends Blobs {
  readonly chunking: FastCdcParams
  /**
   * The chunks of a blob. One that was stored whole is cut, and stands in its chunks from then on.
   * A use of the blob and of its chunks.
   * @returns undefined when the blob is absent, or one of its chunks
   * @throws Failure 'exhausted' when there is no room for the chunks beside the blob
   */
  split(digest: Digest): Promise<Layout | undefined>
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
  chunking: FastCdcParams,
  metrics: Metrics,
  pins?: Pins,
): ChunkedBlobs {
  const layouts = createLayouts(results)
  const cuts = createSemaphore(cutsMax)
  const cutting = new Map<string, Promise<Layout | undefined>>()
  const count = counters(metrics)
  /** Smaller ones are always whole: their readers want them in one piece. */
  const wholeBytesMax = Math.max(maxBytesOf(chunking), smallBlobBytesMax)

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

  async function cut(digest: Digest): Promise<Layout | undefined> {
    const pieces = await inner.read(digest)
    if (!pieces) return undefined
    const { chunks, bytesStored } = await cutIntoChunks(inner, digest, pieces, chunking)
    if ((await inner.findMissing(chunks)).length > 0)
      throw new Failure('exhausted', 'there is no room for the chunks of the blob', { where: digestText(digest) })
    const layout = { chunks, chunkingFunction: fastCdc2020 }
    if (digest.size > wholeBytesMax) {
      await layouts.put(digest, layout)
      pins?.pass(digest, chunks)
      await inner.delete(digest)
      count.kept(digest.size, bytesStored)
    }
    return layout
  }

  function cutOnce(digest: Digest): Promise<Layout | undefined> {
    const key = digestKey(digest)
    const running = cutting.get(key) ?? cuts(() => cut(digest)).finally(() => cutting.delete(key))
    cutting.set(key, running)
    return running
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
      return layout && joined(inner, digest, layout.chunks, within(digest, range), allocate)
    },
    async delete(digest) {
      await inner.delete(digest)
      await layouts.delete(digest)
    },
    async split(digest) {
      if (digest.size <= minBytesOf(chunking)) {
        const absent = (await inner.findMissing([digest])).length > 0
        return absent ? undefined : { chunks: digest.size > 0 ? [digest] : [], chunkingFunction: unknownFunction }
      }
      if (digest.size / minBytesOf(chunking) > chunksMax) return undefined
      return (await stored(digest)) ?? cutOnce(digest)
    },
    async splice(digest, layout) {
      const [absent] = await inner.findMissing(layout.chunks)
      if (absent) throw noChunk(absent)
      if (digest.size <= wholeBytesMax || !isOurKind(layout.chunks, chunking)) return copy(inner, digest, layout.chunks)
      await verify(inner, digest, layout.chunks)
      await layouts.put(digest, layout)
      count.kept(digest.size, 0)
    },
  }
}

function counters(metrics: Metrics) {
  const blobs = metrics.counter('native_store_chunked_blobs_total', 'Blobs that were stored as chunks')
  const whole = metrics.counter('native_store_chunked_bytes_total', 'Bytes of the blobs that were stored as chunks')
  const shared = metrics.counter(
    'native_store_chunked_shared_bytes_total',
    'Those of the bytes that needed no room: they lay in the store already, in chunks of other blobs',
  )
  return {
    kept(bytes: number, bytesStored: number): void {
      blobs.inc()
      whole.inc({}, bytes)
      shared.inc({}, bytes - bytesStored)
    },
  }
}

/** Chunks that a client cut are kept as they are unless they are tiny, or larger than clients accept. */
function isOurKind(chunks: readonly Digest[], chunking: FastCdcParams): boolean {
  if (chunks.length > chunksMax) return false
  const last = chunks.length - 1
  return chunks.every(({ size }, at) => size <= maxBytesOf(chunking) && (at === last || size >= minBytesOf(chunking)))
}

/** Reads all chunks. @throws Failure 'invalid' when they are not the blob, 'not-found' */
async function verify(inner: Blobs, digest: Digest, chunks: readonly Digest[]): Promise<void> {
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

async function copy(inner: Blobs, digest: Digest, chunks: readonly Digest[]): Promise<void> {
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

function noChunk(chunk: Digest): Failure {
  return new Failure('not-found', 'there is no such chunk', { where: digestText(chunk) })
}

/** @throws Failure 'out-of-range' */
function within(digest: Digest, { offset, limit }: ReadRange = { offset: 0 }): { from: number; to: number } {
  if (offset > digest.size)
    throw new Failure('out-of-range', `a read cannot begin at ${offset}`, { where: digestText(digest) })
  return { from: offset, to: Math.min(digest.size, offset + (limit ?? digest.size)) }
}

/** A part of a blob, chunk by chunk. One that is evicted meanwhile breaks the read off: its client comes back. */
async function* joined(
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
