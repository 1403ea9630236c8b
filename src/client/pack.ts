import { type Digest, digestText } from '../core/digest.ts'
import { groups } from '../core/digest-groups.ts'
import { smallBlobBytesMax } from '../core/limits.ts'

/** Overhead of a blob in a batch: digest, tags and lengths, generously. */
const overheadBytes = 200
const blobsPerCall = 4_000

/** How blobs travel: small ones together, each of the others as a stream. */
export interface Packed<Item> {
  readonly batches: readonly Item[][]
  readonly streams: readonly Item[]
}

/**
 * Packs blobs for calls, each digest once and the empty blob never. A batch has only one digest function, as calls do.
 * @param batchBytes what a batch may have, with the overhead of its blobs
 */
export function pack<Item>(items: readonly Item[], digestOf: (item: Item) => Digest, batchBytes: number): Packed<Item> {
  const wanted = new Map(items.map((item) => [digestText(digestOf(item)), item]))
  const all = [...wanted.values()].filter((item) => digestOf(item).size > 0)
  const bytesOf = (item: Item) => digestOf(item).size + overheadBytes
  const isSmall = (item: Item) => digestOf(item).size <= smallBlobBytesMax && bytesOf(item) <= batchBytes
  const alike = Map.groupBy(all.filter(isSmall), (item) => digestOf(item).fn).values()
  const bounds = { bytesMax: batchBytes, countMax: blobsPerCall }
  return {
    batches: [...alike].flatMap((same) => [...groups(same, bytesOf, bounds)]),
    streams: all.filter((item) => !isSmall(item)),
  }
}
