import { type Digest, digestKey, digestText } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { createSemaphore } from '../../core/semaphore.ts'
import type { Blobs } from '../blobs.ts'
import type { Pins } from '../pins.ts'
import type { ChunkCounters } from './counters.ts'
import { cutIntoChunks } from './cut.ts'
import { type ChunkingFunction, wholeBytesMaxOf } from './functions.ts'
import { joined } from './joined.ts'
import type { Layout, Layouts } from './layouts.ts'

/** Blobs that are cut at once: each keeps a processor busy. */
const cutsMax = 2

export interface CutterOptions {
  readonly inner: Blobs
  readonly layouts: Layouts
  readonly counters: ChunkCounters
  readonly pins: Pins | undefined
  /** The layout of a blob that is there in chunks. */
  stored(digest: Digest): Promise<Layout | undefined>
}

/** Cuts blobs that are stored already. A blob that is being cut is not cut once more at the same time. */
export interface Cutter {
  /**
   * Cuts a blob that is there whole, or in chunks of another function, which from then on are nobody's.
   * @returns undefined when it is absent
   * @throws Failure 'exhausted' when there is no room for its chunks
   */
  cut(digest: Digest, by: ChunkingFunction): Promise<Layout | undefined>
  /** The same. Where there is no room for chunks of another function beside those that are there, those are the answer. */
  cutAgain(digest: Digest, by: ChunkingFunction): Promise<Layout | undefined>
}

export function createCutter({ inner, layouts, counters, pins, stored }: CutterOptions): Cutter {
  const cuts = createSemaphore(cutsMax)
  const cutting = new Map<string, Promise<Layout | undefined>>()

  async function cutNow(digest: Digest, by: ChunkingFunction): Promise<Layout | undefined> {
    const whole = await inner.read(digest)
    const before = whole ? undefined : await stored(digest)
    const pieces = whole ?? (before && joined(inner, digest, before.chunks))
    if (!pieces) return undefined
    const { chunks, bytesStored } = await cutIntoChunks(inner, digest, pieces, by.chunkerFor(digest.size))
    if ((await inner.findMissing(chunks)).length > 0)
      throw new Failure('exhausted', 'there is no room for the chunks of the blob', { where: digestText(digest) })
    const layout = { chunks, chunkingFunction: by.value }
    if (digest.size > wholeBytesMaxOf(by)) {
      await layouts.put(digest, layout)
      pins?.pass(before?.chunks ?? [digest], chunks)
      if (whole) {
        await inner.delete(digest)
        counters.kept(digest.size, bytesStored)
      }
    }
    return layout
  }

  function cut(digest: Digest, by: ChunkingFunction): Promise<Layout | undefined> {
    const key = `${digestKey(digest)} ${by.value}`
    const running = cutting.get(key) ?? cuts(() => cutNow(digest, by)).finally(() => cutting.delete(key))
    cutting.set(key, running)
    return running
  }

  async function cutAgain(digest: Digest, by: ChunkingFunction): Promise<Layout | undefined> {
    try {
      return await cut(digest, by)
    } catch (error) {
      if (error instanceof Failure && (error.kind === 'exhausted' || error.kind === 'unavailable'))
        return stored(digest)
      throw error
    }
  }

  return { cut, cutAgain }
}
