import { afterEach, describe, expect, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import type { DiskStore } from '../../src/store/disk/disk.ts'
import { blobOf, seededBlob } from '../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'

let folder: DiskFolder | undefined
afterEach(() => folder?.remove())

const bytesMax = 4_000_000
const smallBytesMax = 50_000

async function openStore(): Promise<DiskStore> {
  folder = diskFolder(bytesMax)
  return folder.open({ smallBytesMax })
}

async function put(store: DiskStore, seed: number, size: number): Promise<Digest> {
  const { digest, bytes } = seededBlob(seed, size)
  await store.blobs.put(digest, bytes)
  return digest
}

describe('what is touched all the time stays, whatever streams through', () => {
  test.each([
    { what: 'small blobs in one piece', share: 0.33, size: 4000, junk: 4000 },
    { what: 'small blobs, past large ones', share: 0.33, size: 4000, junk: 70_000 },
    { what: 'large blobs, past small ones', share: 0.33, size: 70_000, junk: 4000 },
    { what: 'large blobs', share: 0.33, size: 70_000, junk: 100_000 },
    { what: 'three fifths of the store', share: 0.6, size: 4000, junk: 4000 },
    { what: 'three fifths of the store, tiny', share: 0.6, size: 200, junk: 3000 },
  ])('$what', async ({ share, size, junk }) => {
    const store = await openStore()
    // A tiny blob takes as much again for its names.
    const count = Math.floor((bytesMax * 15 * share) / 16 / (size + 150))
    const hot: Digest[] = []
    for (let at = 0; at < count; at += 1) hot.push(await put(store, at, size))
    const touchedEach = 120_000
    for (let streamed = 0, since = 0; streamed < 2 * bytesMax; streamed += junk, since += junk) {
      await put(store, 1_000_000 + streamed, junk)
      if (since < touchedEach) continue
      since = 0
      expect(await store.blobs.findMissing(hot)).toEqual([])
    }
    expect(store.evictions.count).toBeGreaterThan(0)
    expect(store.evictions.lastHour()).toEqual({ count: store.evictions.count, bytes: store.evictions.bytes })
    await store.close()
  })

  test('also what lies scattered among junk', async () => {
    const store = await openStore()
    const hot: Digest[] = []
    for (let at = 0; at < 2500; at += 1) {
      const digest = await put(store, at, 4000)
      if (at < 700 && at % 3 === 0) hot.push(digest)
      if (at % 100 === 0) expect(await store.blobs.findMissing(hot)).toEqual([])
    }
    await store.close()
  })

  test('action results, which are touched by being asked for', async () => {
    const store = await openStore()
    const value = Buffer.alloc(1000, 'r')
    const actions = Array.from({ length: 70 }, (_, at) => blobOf(`hot ${at}`).digest)
    for (const action of actions) await store.results.put(action, value)
    for (let at = 0; at < 900; at += 1) {
      await store.results.put(blobOf(`junk ${at}`).digest, value)
      if (at % 20 === 0) for (const action of actions) expect(await store.results.get(action)).toBeDefined()
    }
    await store.close()
  })
})

test('what is called present is not evicted by the next few per cent that are written', async () => {
  const store = await openStore()
  for (let at = 0; at < 1300; at += 1) await put(store, at, 4000)
  const some = Array.from({ length: 400 }, (_, at) => seededBlob(700 + at, 4000).digest)
  const missing = new Set((await store.blobs.findMissing(some)).map(({ hash }) => hash))
  const present = some.filter(({ hash }) => !missing.has(hash))
  expect(present.length).toBeGreaterThan(300)
  for (let at = 0; at < 200; at += 1) await put(store, 100_000 + at, 4000)
  expect(await store.blobs.findMissing(present)).toEqual([])
  await store.close()
})

test('a large blob that is deleted and stored again is as new, whatever was known of it before', async () => {
  folder = diskFolder(bytesMax)
  const store = await folder.open({ smallBytesMax: 1000 })
  const size = 11_000
  let last = 0
  // Up to the first eviction, for which all are put in order.
  for (; store.evictions.count === 0; last += 1) await put(store, last, size)
  const second = seededBlob(1, size)
  expect(store.evictions.count).toBe(1)
  await store.blobs.delete(second.digest)
  await store.blobs.put(second.digest, second.bytes)
  await put(store, last, size)
  expect(store.evictions.count).toBe(2)
  expect(await store.blobs.findMissing([second.digest])).toEqual([])
  await store.close()
})

test('where all was used just now, a large blob makes room, for which nothing has to be copied', async () => {
  const store = await openStore()
  const all: Digest[] = []
  for (let at = 0; store.evictions.count === 0; at += 1) {
    all.push(await put(store, at, at < 24 ? 70_000 : 20_000))
    if (store.evictions.count === 0) expect(await store.blobs.findMissing(all)).toEqual([])
  }
  expect((await store.blobs.findMissing(all)).map(({ size }) => size)).toEqual([70_000])
  await store.close()
})

test('a replaced action result never comes back, whatever is evicted and carried over, after a restart either', async () => {
  folder = diskFolder(2_000_000)
  let store = await folder.open()
  const actions = Array.from({ length: 40 }, (_, at) => blobOf(`action ${at}`).digest)
  const newest = new Map<string, string>()
  for (let round = 0; round < 30; round += 1) {
    for (const [at, action] of actions.entries()) {
      if ((at + round) % 3 === 0) {
        const value = `round ${round} of ${at}`
        newest.set(action.hash, value)
        await store.results.put(action, Buffer.from(value.padEnd(700)))
      }
      await store.results.put(blobOf(`junk ${round} ${at}`).digest, Buffer.alloc(500))
    }
    await store.close()
    store = await folder.open()
    for (const action of actions) {
      const found = await store.results.get(action)
      if (found) expect(Buffer.from(found).toString().trim()).toBe(newest.get(action.hash))
    }
  }
  await store.close()
})

test('a deleted blob stays deleted, when the segment that says so is evicted before older ones too', async () => {
  folder = diskFolder(1_000_000)
  const store = await folder.open()
  const hot = Array.from({ length: 40 }, (_, at) => seededBlob(at, 3000))
  const gone = seededBlob(500, 3000)
  for (const { digest, bytes } of [...hot, gone]) await store.blobs.put(digest, bytes)
  await store.blobs.delete(gone.digest)
  for (let at = 0; at < 500; at += 1) {
    await put(store, 2000 + at, 3000)
    if (at % 20 === 0) expect(await store.blobs.findMissing(hot.map(({ digest }) => digest))).toEqual([])
  }
  await store.close()
  const again = await folder.open()
  expect(await again.blobs.findMissing([gone.digest])).toEqual([gone.digest])
  await again.close()
})

describe('a store in which all was used just now takes the next value, and goes on', () => {
  test('action results', async () => {
    folder = diskFolder(bytesMax)
    const store = await folder.open()
    const actions = Array.from({ length: 200 }, (_, at) => blobOf(`action ${at}`).digest)
    for (const [at, action] of actions.entries()) {
      await store.results.put(action, Buffer.alloc(2000, at))
      expect(await store.results.get(action)).toBeDefined()
      for (const earlier of actions.slice(0, at)) await store.results.get(earlier)
    }
    expect(store.evictions.count).toBeGreaterThan(0)
    let left = 0
    for (const action of actions) if (await store.results.get(action)) left += 1
    // 15 of 16 parts of the room for results would be 110.
    expect(left).toBeGreaterThan(90)
    await store.close()
  })

  test('blobs, though much of it is news of deletions', async () => {
    folder = diskFolder(1_000_000)
    const store = await folder.open({ smallBytesMax })
    const kept = Array.from({ length: 50 }, (_, at) => seededBlob(at, 3000))
    for (const { digest, bytes } of kept) await store.blobs.put(digest, bytes)
    const gone = Array.from({ length: 2500 }, (_, at) => blobOf(`gone ${at}`))
    for (const { digest, bytes } of gone) await store.blobs.put(digest, bytes)
    for (const { digest } of gone) await store.blobs.delete(digest)
    for (let at = 0; at < 400; at += 1) {
      await put(store, 2000 + at, 3000)
      await store.blobs.findMissing(kept.map(({ digest }) => digest))
    }
    expect(await store.blobs.findMissing([seededBlob(2399, 3000).digest])).toEqual([])
    await store.close()
  })
})
