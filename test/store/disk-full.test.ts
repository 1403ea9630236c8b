import { rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDisk } from '../../src/store/disk/disk.ts'
import { shortMs } from '../../src/store/disk/space.ts'
import { verified } from '../../src/store/verified.ts'
import { blobOf, readWhole, seededBlob } from '../fixture/blob.ts'
import { recordingLog } from '../fixture/log.ts'
import { manualClock } from '../fixture/manual-clock.ts'
import { canMount, type Tmpfs, tmpfs } from '../fixture/tmpfs.ts'

const diskBytes = 4_000_000
const smallBytesMax = 50_000

describe.runIf(canMount)('a disk that is smaller than the size of its store', () => {
  let disk: Tmpfs
  beforeEach(() => {
    disk = tmpfs(diskBytes)
  })
  afterEach(() => disk.remove())

  async function openStore(bytesMax = 10 * diskBytes) {
    const { log, lines } = recordingLog()
    const clock = manualClock()
    const path = join(disk.path, 'store')
    const options = { path, bytesMax, durability: 'process', log, smallBytesMax, clock } as const
    return { store: await openDisk(options), again: () => openDisk(options), lines, clock }
  }

  test.each([
    { what: 'small blobs', size: 10_000, count: 800 },
    { what: 'large blobs', size: 200_000, count: 40 },
  ])('evicts the oldest and goes on: $what', async ({ size, count }) => {
    const { store, again, lines } = await openStore()
    for (let at = 0; at < count; at += 1) {
      const { digest, bytes } = seededBlob(at, size)
      const writer = await store.blobs.write(digest)
      await writer.write(bytes.subarray(0, size >> 1))
      await writer.write(bytes.subarray(size >> 1))
      await writer.commit()
      expect(await store.blobs.findMissing([digest])).toEqual([])
    }
    expect(lines.filter(({ message }) => message.startsWith('the disk is full'))).toHaveLength(1)
    const last = seededBlob(count - 1, size)
    expect(Buffer.compare((await readWhole(await store.blobs.read(last.digest))) ?? Buffer.of(), last.bytes)).toBe(0)
    await store.close()
    const reopened = await again()
    expect(Buffer.compare((await readWhole(await reopened.blobs.read(last.digest))) ?? Buffer.of(), last.bytes)).toBe(0)
    await reopened.close()
  })

  test('action results too, though blobs have filled it', async () => {
    const { store } = await openStore()
    for (let at = 0; at < 200; at += 1) {
      const { digest, bytes } = seededBlob(at, 30_000)
      await store.blobs.put(digest, bytes)
    }
    for (let at = 0; at < 600; at += 1) {
      const action = blobOf(`action ${at}`).digest
      await store.results.put(action, Buffer.alloc(2000, at))
      expect(await store.results.get(action)).toBeDefined()
    }
    await store.close()
  })

  test('writes at once, of all kinds, all succeed', async () => {
    const { store } = await openStore()
    const sizes = [100, 5000, 40_000, 100_000]
    for (let round = 0; round < 12; round += 1)
      await Promise.all(
        Array.from({ length: 16 }, async (_, at) => {
          const { digest, bytes } = seededBlob(round * 100 + at, sizes[at % 4] ?? 1)
          await store.blobs.put(digest, bytes)
          await store.results.put(digest, bytes.subarray(0, 3000))
        }),
      )
    await store.close()
  })

  test('batches evict too, and each of their blobs is stored', async () => {
    const { store, lines } = await openStore()
    for (let round = 0; round < 12; round += 1) {
      const batch = Array.from({ length: 30 }, (_, at) => seededBlob(round * 100 + at, 20_000))
      for (const outcome of await store.blobs.putAll(batch)) expect(outcome).toEqual({ status: 'fulfilled' })
      expect(await store.blobs.findMissing(batch.map(({ digest }) => digest))).toEqual([])
    }
    expect(lines.filter(({ message }) => message.startsWith('the disk is full'))).toHaveLength(1)
    await store.close()
  })

  test('only when nothing is left to evict, a write fails, with RESOURCE_EXHAUSTED', async () => {
    writeFileSync(join(disk.path, 'of others'), new Uint8Array(diskBytes - 500_000))
    const { store } = await openStore()
    const { digest, bytes } = seededBlob(1, 1_000_000)
    await expect(store.blobs.put(digest, bytes)).rejects.toMatchObject({
      kind: 'exhausted',
      message: expect.stringContaining('the disk is full'),
    })
    const small = seededBlob(2, 3000)
    await store.blobs.put(small.digest, small.bytes)
    await store.close()
  })

  test.each([
    { what: 'small pieces', pieceBytes: 307_200 },
    { what: 'large pieces', pieceBytes: 614_400 },
  ])('what was refused in the middle of a blob can be given again: $what', async ({ pieceBytes }) => {
    const { store } = await openStore(3_000_000)
    const blobs = verified(store.blobs)
    const obstacle = join(disk.path, 'of others')
    async function refused(work: () => Promise<void>, freeBytes: number): Promise<void> {
      expect(() => writeFileSync(obstacle, new Uint8Array(diskBytes))).toThrow('ENOSPC')
      truncateSync(obstacle, statSync(obstacle).size - freeBytes)
      await expect(work()).rejects.toMatchObject({ kind: 'exhausted' })
      rmSync(obstacle)
    }
    // Whole pages, so that what stands behind its bytes needs one more.
    const first = seededBlob(1, 1_228_800)
    const writer = await blobs.write(first.digest)
    for (let at = 0; at < first.bytes.length; at += pieceBytes) {
      const piece = first.bytes.subarray(at, at + pieceBytes)
      // Part of the piece is written.
      await refused(async () => writer.write(piece), 102_400)
      expect(writer.written).toBe(at)
      await writer.write(piece)
    }
    await refused(() => writer.commit(), 0)
    await writer.commit()
    // Nothing is held any more for what was refused: there is room for another.
    const second = seededBlob(2, 1_300_000)
    await blobs.put(second.digest, second.bytes)
    for (const { digest, bytes } of [first, second])
      expect(Buffer.compare((await readWhole(await blobs.read(digest))) ?? Buffer.of(), bytes)).toBe(0)
    await store.close()
  })

  test('takes all of its size again after a while', async () => {
    const { store, clock } = await openStore()
    const obstacle = join(disk.path, 'of others')
    writeFileSync(obstacle, new Uint8Array(diskBytes / 2))
    for (let at = 0; at < 120; at += 1) {
      const { digest, bytes } = seededBlob(at, 30_000)
      await store.blobs.put(digest, bytes)
    }
    expect(store.bytesStored()).toBeLessThan(diskBytes / 2)
    writeFileSync(obstacle, '')
    clock.advance(shortMs + 1)
    for (let at = 0; at < 120; at += 1) {
      const { digest, bytes } = seededBlob(1000 + at, 30_000)
      await store.blobs.put(digest, bytes)
    }
    expect(store.bytesStored()).toBeGreaterThan(diskBytes / 2)
    await store.close()
  })
})
