import { afterEach, describe, expect, test } from 'vitest'
import type { DiskStore } from '../../src/store/disk/disk.ts'
import { seededBlob } from '../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'

let folder: DiskFolder | undefined
afterEach(() => folder?.remove())

const bytesMax = 1_000_000
const smallBytesMax = 10_000

async function openStore(): Promise<DiskStore> {
  folder = diskFolder(bytesMax)
  return folder.open({ smallBytesMax })
}

/** So many blobs of one size that take this part of the store. */
function blobsOf(share: number, size: number): number {
  return Math.floor((bytesMax * share) / (size + 120))
}

/** What a build does with a blob: looks for it, writes it where it is missing, and looks again. Was it there? */
async function use(store: DiskStore, seed: number, size: number): Promise<boolean> {
  const { digest, bytes } = seededBlob(seed, size)
  const found = (await store.blobs.findMissing([digest])).length === 0
  if (!found) await store.blobs.put(digest, bytes)
  expect(await store.blobs.findMissing([digest])).toEqual([])
  return found
}

async function useAll(store: DiskStore, first: number, count: number, size: number): Promise<number> {
  let found = 0
  for (let seed = first; seed < first + count; seed += 1) if (await use(store, seed, size)) found += 1
  return found
}

describe.each([
  { what: 'small', size: 4000 },
  { what: 'large', size: 20_000 },
])('builds that are larger than the store: $what blobs', ({ size }) => {
  const count = blobsOf(2, size)

  test('find a good part of it from the third time on, though last use would keep none', async () => {
    const store = await openStore()
    const found: number[] = []
    for (let round = 0; round < 6; round += 1) found.push(await useAll(store, 0, count, size))
    for (const hits of found.slice(3)) expect(hits).toBeGreaterThan(count * 0.2)
    await store.close()
  })

  test('leave room for the next project, which finds its own', async () => {
    const store = await openStore()
    for (let round = 0; round < 5; round += 1) await useAll(store, 0, count, size)
    const next = blobsOf(0.5, size)
    for (let round = 0; round < 6; round += 1) await useAll(store, 10_000, next, size)
    expect(await useAll(store, 10_000, next, size)).toBe(next)
    await store.close()
  })
})

test.each(['is closed', 'is killed'])('a store that %s finds the same part again', async (how) => {
  const store = await openStore()
  const count = blobsOf(2, 4000)
  for (let round = 0; round < 5; round += 1) await useAll(store, 0, count, 4000)
  if (how === 'is closed') await store.close()
  const copy = folder?.copy()
  if (how !== 'is closed') await store.close()
  const again = await copy?.open({ smallBytesMax })
  expect(again && (await useAll(again, 0, count, 4000))).toBeGreaterThan(count * 0.2)
  await again?.close()
  copy?.remove()
})

test('what is used again and again is not lost to a scan that comes again and again', async () => {
  const store = await openStore()
  const hot = blobsOf(0.3, 4000)
  const found: number[] = []
  for (let round = 1; round <= 6; round += 1) {
    found.push(await useAll(store, 0, hot, 4000))
    await useAll(store, 10_000 * round, blobsOf(0.2, 4000), 4000)
    expect(await useAll(store, 0, hot, 4000)).toBe(hot)
    await useAll(store, 10_000 * round + 5000, blobsOf(1.5, 4000), 4000)
  }
  // By last use alone it would be so each time.
  expect(found[1]).toBe(0)
  for (const hits of found.slice(4)) expect(hits).toBeGreaterThan(hot * 0.95)
  await store.close()
})

test('as long as nothing comes back, a build keeps what it wrote, whatever was used before it', async () => {
  const store = await openStore()
  for (let round = 0; round < 6; round += 1) await useAll(store, 0, blobsOf(0.4, 4000), 4000)
  const own = blobsOf(0.6, 4000)
  await useAll(store, 10_000, own, 4000)
  expect(await useAll(store, 10_000, own, 4000)).toBe(own)
  await store.close()
})
