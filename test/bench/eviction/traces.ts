import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** What is asked for, in order. */
export interface Trace {
  readonly ids: readonly number[]
  /** Size of each blob, by its id. */
  readonly bytes: readonly number[]
  /**
   * Does this use count? In a recording a blob is found, written and found again within moments,
   * which no cache misses: there it is the first use of each build.
   */
  readonly counts: readonly boolean[]
}

/** Builds of Bazel 7.7.1 as `record.ts` saw them. */
export function bazelTrace(): Trace {
  const text = gunzipSync(readFileSync(join(import.meta.dirname, 'bazel.trace.gz'))).toString()
  const ids: number[] = []
  const bytes: number[] = []
  const counts: boolean[] = []
  for (const line of text.trimEnd().split('\n')) {
    const seen = new Set<number>()
    for (const use of line.split(' ')) {
      const [id = 0, size] = use.split(':').map((each) => Number.parseInt(each, 36))
      if (size !== undefined) bytes[id] = size
      ids.push(id)
      counts.push(!seen.has(id))
      seen.add(id)
    }
  }
  return { ids, bytes, counts }
}

/** The same builds, of which the uses count that the others leave out: a blob that is missing then was lost in the middle of a build. */
export function withinBuilds(): Trace {
  const { ids, bytes, counts } = bazelTrace()
  return { ids, bytes, counts: counts.map((first) => !first) }
}

const blobCount = 5_000
const uses = 50_000
/** Blobs that are asked for once in a scan, and how often there is one: a sixth of all uses. */
const scanBlobs = 1_000
const scanEvery = 5_000
const bytesMin = 200
const bytesMax = 64 * 1024

/**
 * Popularity by Zipf's law, with a scan of fresh blobs now and then, as a build of everything or a nightly
 * job makes them; sizes are spread evenly by their logarithm, whatever the popularity.
 * @param alpha how steeply popularity falls
 * @param scans are there any?
 */
export function zipfTrace(alpha: number, scans: boolean): Trace {
  const random = randomFrom(alpha * 1000)
  const bytes = Array.from({ length: blobCount }, () => sizeBy(random()))
  const sums: number[] = []
  let sum = 0
  for (let rank = 1; rank <= blobCount; rank += 1) {
    sum += rank ** -alpha
    sums.push(sum)
  }
  const ids: number[] = []
  for (let at = 0; at < uses; at += 1) {
    ids.push(rankOf(sums, random() * sum))
    if (!scans || at % scanEvery !== scanEvery - 1) continue
    for (let fresh = 0; fresh < scanBlobs; fresh += 1) {
      ids.push(bytes.length)
      bytes.push(sizeBy(random()))
    }
  }
  return { ids, bytes, counts: ids.map((id) => id < blobCount) }
}

/** Bytes of all blobs that are asked for more than once. */
export function workingSetBytes({ ids, bytes }: Trace): number {
  const seen = new Map<number, number>()
  for (const id of ids) seen.set(id, (seen.get(id) ?? 0) + 1)
  let sum = 0
  for (const [id, count] of seen) if (count > 1) sum += bytes[id] ?? 0
  return sum
}

function sizeBy(share: number): number {
  return Math.round(bytesMin * (bytesMax / bytesMin) ** share)
}

/** The first rank whose sum is above the value. */
function rankOf(sums: readonly number[], value: number): number {
  let [low, high] = [0, sums.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sums[middle] ?? 0) > value) high = middle
    else low = middle + 1
  }
  return low
}

/** Numbers from 0 to 1 that are the same each time (a linear congruential generator). */
function randomFrom(seed: number): () => number {
  let state = BigInt(Math.round(seed)) + 1n
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn
    return Number(state >> 11n) / 2 ** 53
  }
}
