import { beforeEach, describe, expect, test } from 'vitest'
import type { Digest } from '../../../src/core/digest.ts'
import { Failure } from '../../../src/core/failure.ts'
import { digestOf } from '../../../src/core/hash.ts'
import type { Blobs } from '../../../src/store/blobs.ts'
import { type ChunkedBlobs, chunked } from '../../../src/store/chunks/chunked.ts'
import { createMemoryBlobs } from '../../../src/store/memory/blobs.ts'
import { createMemoryResults } from '../../../src/store/memory/results.ts'
import type { Results } from '../../../src/store/results.ts'
import { verified } from '../../../src/store/verified.ts'
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts'
import { noise } from '../../cache/fixture.ts'
import { describeBlobs } from '../../contract/blobs.ts'
import { blobOf } from '../../fixture/blob.ts'

const chunking = {
  fastCdc: { averageBytes: 64 * 1024, seed: 0 },
  repMaxCdc: { minBytes: 32 * 1024, horizonBytes: 256 * 1024 },
}
const [fastCdc2020, repMaxCdc] = [1, 2]
const first = blobOf(noise(3_000_000, 1))
/** The same but for a few bytes in the middle. */
const second = blobOf(
  Buffer.concat([first.bytes.subarray(0, 1_500_000), Buffer.from('other'), first.bytes.subarray(1_500_000)]),
)

describeBlobs('chunked memory', {
  open: async (capacity) =>
    chunked(verified(createMemoryBlobs(capacity)), createMemoryResults(1_000_000), chunking, createMetrics()),
})

describe('blobs in chunks', () => {
  let whole: Blobs
  let results: Results
  let metrics: Metrics
  let blobs: ChunkedBlobs

  beforeEach(() => {
    whole = verified(createMemoryBlobs(16_000_000))
    results = createMemoryResults(1_000_000)
    metrics = createMetrics()
    blobs = chunked(whole, results, chunking, metrics)
  })

  test('a blob that is split stands in its chunks alone, and is read as before', async () => {
    await blobs.put(first.digest, first.bytes)
    const layout = await blobs.split(first.digest)
    expect(layout?.chunkingFunction).toBe(1)
    expect(layout?.chunks.reduce((sum, { size }) => sum + size, 0)).toBe(first.digest.size)
    expect(await whole.findMissing([first.digest])).toEqual([first.digest])
    expect(await blobs.findMissing([first.digest])).toEqual([])
    expect(await blobs.locate('sha256', first.digest.hash)).toEqual(first.digest)
    expect(await readAll(blobs, first.digest)).toEqual(first.bytes)
    for (const [offset, limit] of [
      [0, 1],
      [1_234_567, 1_000_000],
      [2_999_999, 1],
      [500_000, 2_500_000],
    ] as const)
      expect(await readAll(blobs, first.digest, { offset, limit })).toEqual(
        Buffer.from(first.bytes.subarray(offset, offset + limit)),
      )
    expect(await readAll(blobs, first.digest, { offset: 3_000_000 })).toHaveLength(0)
    expect(await blobs.split(first.digest)).toEqual(layout)
  })

  test('what two blobs share is stored once', async () => {
    for (const { digest, bytes } of [first, second]) await blobs.put(digest, bytes)
    const [one, other] = [await blobs.split(first.digest), await blobs.split(second.digest)]
    const hashes = new Set(one?.chunks.map(({ hash }) => hash))
    const fresh = other?.chunks.filter(({ hash }) => !hashes.has(hash)) ?? []
    expect(fresh.length).toBeLessThanOrEqual(4)
    expect(await readAll(blobs, second.digest)).toEqual(second.bytes)
    const text = await metrics.text()
    expect(text).toContain('native_store_chunked_blobs_total 2')
    expect(text).toContain(`native_store_chunked_bytes_total ${first.digest.size + second.digest.size}`)
    const shared = second.digest.size - fresh.reduce((sum, { size }) => sum + size, 0)
    expect(text).toContain(`native_store_chunked_shared_bytes_total ${shared}`)
  })

  test('chunks that a client sent make a blob without being copied', async () => {
    await blobs.put(first.digest, first.bytes)
    const layout = await blobs.split(first.digest)
    const other = chunked(whole, createMemoryResults(1_000_000), chunking, createMetrics())
    expect(await other.findMissing([first.digest])).toEqual([first.digest])
    await other.splice(first.digest, { chunks: layout?.chunks ?? [], chunkingFunction: 0 })
    expect(await whole.findMissing([first.digest])).toEqual([first.digest])
    expect(await readAll(other, first.digest)).toEqual(first.bytes)
    expect((await other.split(first.digest))?.chunkingFunction).toBe(0)
  })

  test('chunks of another size than ours make a blob that is stored whole', async () => {
    await blobs.splice(first.digest, await spliced(blobs, first.bytes, 1_000_000))
    expect(await whole.findMissing([first.digest])).toEqual([])
    expect((await blobs.split(first.digest))?.chunkingFunction).toBe(1)
  })

  test('chunks that are another blob are refused, and an absent one is told', async () => {
    await blobs.put(first.digest, first.bytes)
    const chunks = (await blobs.split(first.digest))?.chunks ?? []
    const backwards = { chunks: [...chunks.slice(0, 2).toReversed(), ...chunks.slice(2)], chunkingFunction: 0 }
    const wrong = blobs.splice({ ...first.digest, hash: second.digest.hash }, backwards)
    await expect(wrong).rejects.toMatchObject({ kind: 'invalid' })
    await whole.delete(chunks[3] as Digest)
    const absent = blobs.splice(second.digest, { chunks, chunkingFunction: 0 })
    await expect(absent).rejects.toMatchObject({ kind: 'not-found' })
  })

  test('without one of its chunks a blob is absent, until it comes again', async () => {
    await blobs.put(first.digest, first.bytes)
    const chunks = (await blobs.split(first.digest))?.chunks ?? []
    await whole.delete(chunks[3] as Digest)
    expect(await blobs.findMissing([first.digest])).toEqual([first.digest])
    expect(await blobs.read(first.digest)).toBeUndefined()
    expect(await blobs.split(first.digest)).toBeUndefined()
    await blobs.put(first.digest, first.bytes)
    expect(await readAll(blobs, first.digest)).toEqual(first.bytes)
    expect((await blobs.split(first.digest))?.chunks).toEqual(chunks)
  })

  test('a small blob is cut as well, and stays whole', async () => {
    const small = blobOf(first.bytes.subarray(0, 500_000))
    await blobs.put(small.digest, small.bytes)
    const layout = await blobs.split(small.digest)
    expect(layout?.chunks.length).toBeGreaterThan(2)
    expect(Buffer.from((await whole.get(small.digest)) ?? [])).toEqual(Buffer.from(small.bytes))
    const tiny = blobOf('tiny')
    await blobs.put(tiny.digest, tiny.bytes)
    expect(await blobs.split(tiny.digest)).toEqual({ chunks: [tiny.digest], chunkingFunction: 0 })
  })

  test('splits of one blob at the same time cut it once', async () => {
    await blobs.put(first.digest, first.bytes)
    const layouts = await Promise.all(Array.from({ length: 5 }, () => blobs.split(first.digest)))
    expect(new Set(layouts.map((each) => JSON.stringify(each))).size).toBe(1)
    expect(await metrics.text()).toContain('native_store_chunked_blobs_total 1')
  })

  test('a blob is cut by the function that is asked for', async () => {
    await blobs.put(first.digest, first.bytes)
    const layout = await blobs.split(first.digest, repMaxCdc)
    expect(layout?.chunkingFunction).toBe(repMaxCdc)
    for (const { size } of layout?.chunks ?? []) {
      expect(size).toBeGreaterThanOrEqual(32 * 1024)
      expect(size).toBeLessThan(64 * 1024)
    }
    expect(await readAll(blobs, first.digest)).toEqual(first.bytes)
    for (const asked of [repMaxCdc, 0, 77]) expect(await blobs.split(first.digest, asked)).toEqual(layout)
  })

  test.each([
    [fastCdc2020, repMaxCdc],
    [repMaxCdc, fastCdc2020],
  ])('a blob in chunks of function %i is cut again for a client that asks for %i', async (before, asked) => {
    await blobs.put(first.digest, first.bytes)
    const held = await blobs.split(first.digest, before)
    const layout = await blobs.split(first.digest, asked)
    expect([held?.chunkingFunction, layout?.chunkingFunction]).toEqual([before, asked])
    // It stands in these alone: the others are evicted as anything is that nobody uses.
    for (const chunk of held?.chunks ?? []) await whole.delete(chunk)
    expect(await blobs.findMissing([first.digest])).toEqual([])
    expect(await readAll(blobs, first.digest)).toEqual(first.bytes)
    expect(await metrics.text()).toContain('native_store_chunked_blobs_total 1')
  })

  test('without room for other chunks beside those that are there, those are the answer', async () => {
    await blobs.put(first.digest, first.bytes)
    const layout = await blobs.split(first.digest, repMaxCdc)
    const full = { ...whole, put: () => Promise.reject(new Failure('exhausted', 'there is no room')) }
    const other = chunked(full, results, chunking, metrics)
    expect(await other.split(first.digest, fastCdc2020)).toEqual(layout)
  })

  test('chunks that a client cut keep its function, within the bounds of that function', async () => {
    const layout = await spliced(blobs, first.bytes, 60_000)
    await blobs.splice(first.digest, { ...layout, chunkingFunction: repMaxCdc })
    expect(await blobs.split(first.digest, repMaxCdc)).toEqual({ ...layout, chunkingFunction: repMaxCdc })
    expect(await whole.findMissing([first.digest])).toEqual([first.digest])
    // Too large for it, though not for the other.
    const large = await spliced(blobs, second.bytes, 70_000)
    await blobs.splice(second.digest, { ...large, chunkingFunction: repMaxCdc })
    expect(await whole.findMissing([second.digest])).toEqual([])
  })

  test('chunks of which nobody said how they were cut are no answer where they are too large for who asks', async () => {
    const layout = await spliced(blobs, first.bytes, 70_000)
    await blobs.splice(first.digest, layout)
    expect(await blobs.split(first.digest, fastCdc2020)).toEqual(layout)
    expect((await blobs.split(first.digest, repMaxCdc))?.chunkingFunction).toBe(repMaxCdc)
  })

  test('a blob that is deleted is gone, though its chunks may be others’', async () => {
    await blobs.put(first.digest, first.bytes)
    await blobs.split(first.digest)
    await blobs.delete(first.digest)
    expect(await blobs.findMissing([first.digest])).toEqual([first.digest])
  })
})

/** Stores pieces of that many bytes. @returns them, as a layout of no function */
async function spliced(blobs: Blobs, bytes: Uint8Array, pieceBytes: number) {
  const chunks: Digest[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes)
    chunks.push(digestOf('sha256', piece))
    await blobs.put(digestOf('sha256', piece), piece)
  }
  return { chunks, chunkingFunction: 0 }
}

async function readAll(blobs: Blobs, digest: Digest, range?: { offset: number; limit?: number }): Promise<Buffer> {
  const pieces = await blobs.read(digest, range)
  if (!pieces) throw new Error(`${digest.hash} is absent`)
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}
