import { afterEach, expect, test } from 'vitest'
import type { DiskStore } from '../../../src/store/disk/disk.ts'
import { blobOf, seededBlob } from '../../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../../fixture/disk.ts'
import { manualClock } from '../../fixture/manual-clock.ts'

const hourMs = 3_600_000
const smallBytesMax = 20_000

let folder: DiskFolder
afterEach(() => folder.remove())

/** By kind and age, without what is empty. */
function heldBy(store: DiskStore): Record<string, number> {
  const held = store.held().filter(({ bytes }) => bytes > 0)
  return Object.fromEntries(held.map(({ kind, age, bytes }) => [`${kind} ${age}`, bytes]))
}

const sum = (bytes: Record<string, number>) => Object.values(bytes).reduce((all, each) => all + each, 0)

test('what is held is told by kind and by when it was written, and is what the files are long', async () => {
  folder = diskFolder(5_000_000)
  const clock = manualClock(Date.now())
  const store = await folder.open({ clock, smallBytesMax })
  const large = seededBlob(1, 50_000)
  await store.blobs.put(large.digest, large.bytes)
  clock.advance(2 * hourMs)
  const small = seededBlob(2, 1_000)
  await store.blobs.put(small.digest, small.bytes)
  await store.results.put(blobOf('an action').digest, new Uint8Array(300))
  const held = heldBy(store)
  expect(Object.keys(held).sort()).toEqual(['action_result hour', 'large_blob day', 'small_blob hour'])
  expect(held['large_blob day']).toBeGreaterThanOrEqual(50_000)
  expect(held['small_blob hour']).toBeGreaterThanOrEqual(1_000)
  expect(sum(held)).toBe(store.bytesStored())
  clock.advance(30 * 24 * hourMs)
  expect(Object.keys(heldBy(store)).sort()).toEqual(['action_result older', 'large_blob older', 'small_blob older'])
  await store.blobs.delete(large.digest)
  expect(heldBy(store)).not.toHaveProperty('large_blob older')
  await store.close()
})

test('what was there at the start has the age of its files', async () => {
  folder = diskFolder(5_000_000)
  const first = await folder.open({ smallBytesMax })
  const [small, large] = [seededBlob(2, 1_000), seededBlob(1, 50_000)]
  await first.blobs.put(small.digest, small.bytes)
  await first.blobs.put(large.digest, large.bytes)
  await first.close()
  const again = await folder.open({ smallBytesMax, clock: manualClock(Date.now() + 3 * 24 * hourMs) })
  expect(Object.keys(heldBy(again)).sort()).toEqual(['large_blob week', 'small_blob week'])
  await again.close()
})
