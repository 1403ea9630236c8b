import {
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { DiskStore } from '../../src/store/disk/disk.ts'
import { largeFileBytes } from '../../src/store/disk/large-file.ts'
import { type Blob, blobOf, readWhole, seededBlob } from '../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'
import { recordingLog } from '../fixture/log.ts'

let folder: DiskFolder | undefined
afterEach(() => folder?.remove())

function begin(bytesMax: number): DiskFolder {
  folder = diskFolder(bytesMax)
  return folder
}

const put = (store: DiskStore, { digest, bytes }: Blob) => store.blobs.put(digest, bytes)

describe('capacity', () => {
  test('is never passed by the files, whatever is written, also in the middle of a write', async () => {
    const step = fc.record({
      size: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 200_000 })),
      how: fc.constantFrom('put' as const, 'write' as const, 'result' as const, 'abandon' as const),
      width: fc.integer({ min: 1, max: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 300_000, max: 1_500_000 }),
        fc.array(step, { minLength: 10, maxLength: 40 }),
        async (bytesMax, steps) => {
          const where = diskFolder(bytesMax)
          const store = await where.open({ smallBytesMax: 20_000 })
          const within = () => expect(where.bytes()).toBeLessThanOrEqual(bytesMax)
          try {
            for (const [turn, { size, how, width }] of steps.entries()) {
              const all = Array.from({ length: width }, (_, at) => seededBlob(turn * 10 + at, size))
              await Promise.all(all.map((blob) => oneWrite(store, blob, how, within).catch(expectExhausted)))
              within()
            }
          } finally {
            await store.close()
            within()
            where.remove()
          }
        },
      ),
      { numRuns: 15 },
    )
  }, 120_000)

  test('is kept by tiny blobs too, whose index is as long as they are', async () => {
    const where = begin(150_000)
    const store = await where.open()
    for (let at = 0; at < 3000; at += 1) {
      await put(store, blobOf(`tiny ${at}`))
      expect(where.bytes()).toBeLessThanOrEqual(150_000)
    }
    await store.close()
    expect(where.bytes()).toBeLessThanOrEqual(150_000)
    expect(where.bytes()).toBeGreaterThan(100_000)
  })

  test('a smaller capacity than before evicts at start', async () => {
    const where = begin(4_000_000)
    const store = await where.open()
    for (let at = 0; at < 300; at += 1) await put(store, seededBlob(at, 10_000))
    await store.close()
    const smaller = await where.open({ bytesMax: 1_000_000 })
    expect(where.bytes()).toBeLessThanOrEqual(1_000_000)
    expect(await smaller.blobs.get(seededBlob(299, 10_000).digest)).toBeDefined()
    await smaller.close()
  })

  test('nothing is evicted for a write that can never fit', async () => {
    const where = begin(4_000_000)
    const store = await where.open()
    const kept = seededBlob(1, 100_000)
    await put(store, kept)
    await expect(store.blobs.write({ ...blobOf('x').digest, size: 5_000_000 })).rejects.toMatchObject({
      kind: 'exhausted',
    })
    const writers = await Promise.all([1, 2].map((seed) => store.blobs.write(seededBlob(seed, 3_000_000).digest)))
    await writers[0]?.write(new Uint8Array(3_000_000))
    await expect(writers[1]?.write(new Uint8Array(2_000_000))).rejects.toMatchObject({ kind: 'exhausted' })
    expect(await store.blobs.get(kept.digest)).toBeDefined()
    for (const writer of writers) await writer.abort()
    await store.close()
  })

  test('what is evicted but still being read counts until it has been read', async () => {
    const where = begin(4_000_000)
    const store = await where.open()
    const read = seededBlob(1, 2_000_000)
    await put(store, read)
    const reading = await store.blobs.read(read.digest)
    await store.blobs.delete(read.digest)
    const next = seededBlob(2, 2_000_000)
    await expect(put(store, next)).rejects.toMatchObject({ kind: 'exhausted' })
    expect(Buffer.compare((await readWhole(reading)) ?? next.bytes, read.bytes)).toBe(0)
    await put(store, next)
    await store.close()
  })

  test.each([
    { how: 'that is abandoned', store: false },
    { how: 'of a blob that another stored first', store: true },
  ])('a write $how gives back its room although its file cannot be removed', async ({ store: storeFirst }) => {
    const where = begin(4_000_000)
    const { log, lines } = recordingLog()
    const store = await where.open({ log })
    const blob = seededBlob(1, 1_500_000)
    const writer = await store.blobs.write(blob.digest)
    await writer.write(blob.bytes)
    const [path = ''] = where.files('incoming')
    if (storeFirst) await put(store, blob)
    // Not even root unlinks a folder.
    rmSync(path)
    mkdirSync(path)
    await (storeFirst ? writer.commit() : writer.abort())
    expect(lines.filter(({ message }) => message === 'cannot remove an unfinished blob')).toHaveLength(1)
    if (storeFirst) await store.blobs.delete(blob.digest)
    await put(store, seededBlob(2, 3_000_000))
    rmSync(path, { recursive: true })
    await store.close()
  })

  test.runIf(process.platform === 'linux')(
    'the file of a write that is abandoned goes although it cannot be closed',
    async () => {
      const where = begin(4_000_000)
      const { log, lines } = recordingLog()
      const store = await where.open({ log })
      const blob = seededBlob(1, 1_500_000)
      const writer = await store.blobs.write(blob.digest)
      await writer.write(blob.bytes)
      const [path = ''] = where.files('incoming')
      // Closed a second time, a descriptor is an error, as it is where the disk had no room for what was written.
      closeSync(descriptorOf(path))
      await writer.abort()
      expect(where.files('incoming')).toEqual([])
      expect(lines).toMatchObject([{ message: 'cannot close an unfinished blob', fields: { file: path } }])
      await store.close()
    },
  )

  test('a large blob that another version wrote keeps no room once it is deleted, however often it was asked for', async () => {
    const where = begin(4_000_000)
    const store = await where.open()
    const foreign = seededBlob(1, 2_000_000)
    await put(store, foreign)
    const [path = ''] = where.files('large')
    const bytes = readFileSync(path)
    const tail = bytes.subarray(2_000_000, largeFileBytes(2_000_000))
    tail.writeUInt32LE(99, tail.length - 8)
    tail.writeUInt32LE(crc32(tail.subarray(0, tail.length - 4)), tail.length - 4)
    writeFileSync(path, bytes)
    for (let turn = 0; turn < 3; turn += 1)
      await expect(store.blobs.read(foreign.digest)).rejects.toMatchObject({ kind: 'precondition' })
    await store.blobs.delete(foreign.digest)
    await put(store, seededBlob(2, 2_000_000))
    await store.close()
  })

  test('results have a share of their own: blobs cannot push them out, nor they blobs', async () => {
    const where = begin(4_000_000)
    const store = await where.open()
    const action = blobOf('an action').digest
    const kept = seededBlob(1, 1000)
    await store.results.put(action, Buffer.from('its result'))
    for (let at = 0; at < 600; at += 1) await put(store, seededBlob(1000 + at, 10_000))
    expect(Buffer.from((await store.results.get(action)) ?? []).toString()).toBe('its result')
    await put(store, kept)
    for (let at = 0; at < 500; at += 1) await store.results.put(blobOf(`action ${at}`).digest, Buffer.alloc(1000))
    expect(await store.blobs.get(kept.digest)).toBeDefined()
    await store.close()
  })
})

describe('eviction', () => {
  test('carries over what was used since: by finding, getting and reading', async () => {
    const where = begin(4_000_000)
    const store = await where.open()
    const [found, got, read, idle] = [1, 2, 3, 4].map((seed) => seededBlob(seed, 1500))
    if (!found || !got || !read || !idle) return
    for (const blob of [found, got, read, idle]) await put(store, blob)
    for (let at = 0; at < 600; at += 1) {
      await put(store, seededBlob(1000 + at, 10_000))
      expect(await store.blobs.findMissing([found.digest])).toEqual([])
      expect(Buffer.compare((await store.blobs.get(got.digest)) ?? idle.bytes, got.bytes)).toBe(0)
      expect(Buffer.compare((await readWhole(await store.blobs.read(read.digest))) ?? idle.bytes, read.bytes)).toBe(0)
    }
    expect(await store.blobs.findMissing([idle.digest])).toEqual([idle.digest])
    await store.close()
    const again = await where.open()
    expect(Buffer.compare((await again.blobs.get(got.digest)) ?? idle.bytes, got.bytes)).toBe(0)
    await again.close()
  })
  test('takes small and large blobs in one order', async () => {
    const where = begin(8_000_000)
    const store = await where.open({ smallBytesMax: 100_000 })
    const oldSmall = seededBlob(1, 50_000)
    const oldLarge = seededBlob(2, 500_000)
    await put(store, oldSmall)
    await put(store, oldLarge)
    const recent: Blob[] = []
    for (let at = 0; at < 30; at += 1) {
      const blob = seededBlob(1000 + at, at % 3 === 0 ? 500_000 : 50_000)
      await put(store, blob)
      recent.push(blob)
    }
    for (let at = 0; at < 8; at += 1) await put(store, seededBlob(2000 + at, 500_000))
    const old = [oldSmall.digest, oldLarge.digest]
    expect(await store.blobs.findMissing(old)).toEqual(old)
    expect(await store.blobs.findMissing(recent.slice(-5).map(({ digest }) => digest))).toEqual([])
    await store.close()
  })
  test('small blobs that nobody uses make room for large ones, and large ones for small', async () => {
    const where = begin(4_000_000)
    const store = await where.open({ smallBytesMax: 100_000 })
    for (let at = 0; at < 60; at += 1) await put(store, seededBlob(at, 50_000))
    for (let at = 0; at < 20; at += 1) await put(store, seededBlob(100 + at, 600_000))
    expect(await store.blobs.findMissing([seededBlob(59, 50_000).digest])).toHaveLength(1)
    for (let at = 0; at < 200; at += 1) await put(store, seededBlob(200 + at, 50_000))
    expect(await store.blobs.findMissing([seededBlob(119, 600_000).digest])).toHaveLength(1)
    await store.close()
  })
})

async function oneWrite(
  store: DiskStore,
  { digest, bytes }: Blob,
  how: 'put' | 'write' | 'result' | 'abandon',
  within: () => void,
): Promise<void> {
  if (how === 'put') return store.blobs.put(digest, bytes)
  if (how === 'result') return store.results.put(digest, bytes)
  const writer = await store.blobs.write(digest)
  try {
    await writer.write(bytes.subarray(0, digest.size >> 1))
    within()
    await writer.write(bytes.subarray(digest.size >> 1))
    if (how === 'write') return await writer.commit()
  } finally {
    within()
    if (how === 'abandon') await writer.abort()
  }
}

/** The descriptor by which this process has a file open. */
function descriptorOf(path: string): number {
  const links = readdirSync('/proc/self/fd').filter((fd) => existsSync(`/proc/self/fd/${fd}`))
  return Number(links.find((fd) => readlinkSync(`/proc/self/fd/${fd}`) === realpathSync(path)))
}

function expectExhausted(error: unknown): void {
  expect(error).toMatchObject({ kind: 'exhausted' })
}
