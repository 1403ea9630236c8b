import { cpSync, existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DiskStore } from '../../src/store/disk/disk.ts'
import { type Blob, blobOf, readWhole, seededBlob } from '../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'
import { recordingLog } from '../fixture/log.ts'

const bytesMax = 4_000_000
const smallBytesMax = 50_000
const blobs: readonly Blob[] = Array.from({ length: 40 }, (_, at) => seededBlob(at, 1 + ((at * at * 37) % 9000)))
const large: readonly Blob[] = [seededBlob(100, 60_000), seededBlob(101, 700_000)]
const results: readonly Blob[] = Array.from({ length: 10 }, (_, at) => seededBlob(200 + at, at * 300))

async function fill(store: DiskStore): Promise<void> {
  for (const { digest, bytes } of [...blobs, ...large]) await store.blobs.put(digest, bytes)
  for (const { digest } of results) await store.results.put(digest, Buffer.from('an older value'))
  for (const { digest, bytes } of results) await store.results.put(digest, bytes)
}

/** Counts what is there; anything that is there must be right. */
async function judge(store: DiskStore): Promise<number> {
  let there = 0
  for (const { digest, bytes } of [...blobs, ...large]) {
    const found = await readWhole(await store.blobs.read(digest)).catch((error: unknown) => {
      expect(error).toMatchObject({ kind: 'corrupt' })
      return undefined
    })
    if (found) expect(Buffer.compare(found, bytes)).toBe(0)
    if (found) there += 1
    expect(await store.blobs.findMissing([digest])).toEqual(found ? [] : [digest])
  }
  for (const { digest, bytes } of results) {
    const found = await store.results.get(digest)
    if (found)
      expect([Buffer.from(bytes).toString('hex'), Buffer.from('an older value').toString('hex')]).toContain(
        Buffer.from(found).toString('hex'),
      )
    if (found) there += 1
  }
  return there
}
const everything = blobs.length + large.length + results.length

let folder: DiskFolder
beforeEach(() => {
  folder = diskFolder(bytesMax)
})
afterEach(() => folder.remove())

/** Makes the folder what a kill at this moment would leave: the files as they are, none of them finished. */
function asKilled(): DiskFolder {
  const copy = diskFolder(bytesMax)
  cpSync(folder.path, copy.path, { recursive: true, filter: (source) => basename(source) !== 'lock' })
  return copy
}

function flip(file: string, at: number, mask = 1): void {
  const bytes = readFileSync(file)
  bytes[at] = (bytes[at] ?? 0) ^ mask
  writeFileSync(file, bytes)
}

const segments = (where: DiskFolder, room = 'blobs') => where.files(room).filter((file) => file.endsWith('.segment'))

describe('after it was closed', () => {
  test('a store has everything', async () => {
    const store = await folder.open({ smallBytesMax })
    await fill(store)
    await store.close()
    const again = await folder.open({ smallBytesMax })
    expect(await judge(again)).toBe(everything)
    for (const { digest, bytes } of results)
      expect(Buffer.compare((await again.results.get(digest)) ?? blobOf('?').bytes, bytes)).toBe(0)
    await again.close()
  })
  test('its ledger agrees with its files, open after open', async () => {
    for (let round = 0; round < 5; round += 1) {
      const store = await folder.open({ smallBytesMax })
      await fill(store)
      for (let at = 0; at < 20; at += 1) {
        const { digest, bytes } = seededBlob(1000 + round * 100 + at, 5000)
        await store.blobs.put(digest, bytes)
      }
      await store.blobs.delete(seededBlob(1000 + round * 100, 5000).digest)
      await store.close()
      const found = await folder.open({ smallBytesMax })
      // The last segment of each kind has given up its footer, and will get another.
      const stored = found.bytesStored()
      await found.close()
      const files = folder.bytes() - statSync(join(folder.path, 'format')).size
      expect(Math.abs(stored - files)).toBeLessThanOrEqual(40)
    }
  })
  test('what was deleted stays deleted', async () => {
    const store = await folder.open()
    await fill(store)
    await store.close()
    const [first, second] = blobs
    const reopened = await folder.open()
    await reopened.blobs.delete(first?.digest ?? blobOf('').digest)
    const killed = asKilled()
    await reopened.close()
    for (const where of [folder, killed]) {
      const third = await where.open()
      expect(await third.blobs.get(first?.digest ?? blobOf('').digest)).toBeUndefined()
      expect(await third.blobs.get(second?.digest ?? blobOf('').digest)).toBeDefined()
      await third.close()
    }
    killed.remove()
  })
  test('a damaged snapshot costs nothing but a scan', async () => {
    const store = await folder.open({ smallBytesMax })
    await fill(store)
    await store.close()
    for (const file of [...segments(folder), ...segments(folder, 'results')]) flip(file, statSync(file).size - 15)
    const again = await folder.open({ smallBytesMax })
    expect(await judge(again)).toBe(everything)
    await again.close()
  })
})

describe('after it was killed', () => {
  test('a store has everything, and its last segment is continued', async () => {
    const store = await folder.open({ smallBytesMax })
    await fill(store)
    const killed = asKilled()
    await store.close()
    for (let round = 0; round < 3; round += 1) {
      const again = await killed.open({ smallBytesMax })
      expect(await judge(again)).toBe(everything)
      const segmentCount = segments(killed).length
      await again.blobs.put(seededBlob(300 + round, 10).digest, seededBlob(300 + round, 10).bytes)
      expect(segments(killed).length).toBe(segmentCount)
      await again.close()
    }
    killed.remove()
  })
  test('a torn record is cut off, and what follows is written in its place', async () => {
    const store = await folder.open({ smallBytesMax })
    await fill(store)
    const killed = asKilled()
    await store.close()
    const last = segments(killed).at(-1) ?? ''
    const whole = statSync(last).size
    truncateSync(last, whole - 1)
    const again = await killed.open({ smallBytesMax })
    expect(await judge(again)).toBe(everything - 1)
    expect(statSync(last).size).toBeLessThan(whole - 1)
    await fill(again)
    await again.close()
    const third = await killed.open({ smallBytesMax })
    expect(await judge(third)).toBe(everything)
    await third.close()
    killed.remove()
  })
  test('a segment that has no header yet is removed', async () => {
    const store = await folder.open()
    await store.close()
    const file = join(folder.path, 'blobs', '0000000009.segment')
    writeFileSync(file, 'nB')
    const again = await folder.open()
    expect(existsSync(file)).toBe(false)
    await fill(again)
    expect(await judge(again)).toBe(everything)
    await again.close()
  })
  test('files on their way in are removed, and large ones that are not whole', async () => {
    const store = await folder.open({ smallBytesMax })
    await fill(store)
    await store.close()
    writeFileSync(join(folder.path, 'incoming', '17'), 'half of a blob')
    const [file = ''] = folder.files('large')
    truncateSync(file, statSync(file).size - 1)
    const again = await folder.open({ smallBytesMax })
    expect(folder.files('incoming')).toEqual([])
    expect(existsSync(file)).toBe(false)
    expect(await judge(again)).toBe(everything - 1)
    await again.close()
  })
})

describe('damage', () => {
  const damage = fc.record({
    how: fc.constantFrom('flip' as const, 'cut' as const, 'zeros' as const, 'garbage' as const),
    file: fc.nat(),
    // From the end of the file, where torn writes are; sometimes anywhere.
    back: fc.oneof(fc.nat(3000), fc.nat(1_000_000)),
    mask: fc.integer({ min: 1, max: 255 }),
    garbage: fc.uint8Array({ minLength: 1, maxLength: 500 }),
  })

  function inflict(
    where: DiskFolder,
    { how, file, back, mask, garbage }: typeof damage extends fc.Arbitrary<infer T> ? T : never,
  ) {
    const files = [...segments(where), ...segments(where, 'results'), ...where.files('large')]
    const path = files[file % files.length] ?? ''
    const bytes = readFileSync(path)
    const at = bytes.length === 0 ? 0 : bytes.length - 1 - (back % bytes.length)
    if (how === 'flip') bytes[at] = (bytes[at] ?? 0) ^ mask
    if (how === 'zeros') bytes.fill(0, at, Math.min(at + 600, bytes.length))
    if (how === 'garbage') bytes.set(garbage.subarray(0, bytes.length - at), at)
    writeFileSync(path, how === 'cut' ? bytes.subarray(0, at) : bytes)
  }

  test.each(['closed', 'killed'] as const)(
    'of a %s store: every blob is absent or right, and it goes on',
    async (state) => {
      const store = await folder.open({ smallBytesMax })
      await fill(store)
      const killed = asKilled()
      await store.close()
      const original = state === 'closed' ? folder : killed
      await fc.assert(
        fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 4 }), async (all) => {
          const copy = diskFolder(bytesMax)
          try {
            cpSync(original.path, copy.path, { recursive: true })
            for (const each of all) inflict(copy, each)
            const damaged = await copy.open({ smallBytesMax })
            await judge(damaged)
            await fill(damaged)
            expect(await judge(damaged)).toBe(everything)
            await damaged.close()
            const again = await copy.open({ smallBytesMax })
            expect(await judge(again)).toBe(everything)
            await again.close()
          } finally {
            copy.remove()
          }
        }),
        { numRuns: 60 },
      )
      killed.remove()
    },
    120_000,
  )

  test('of a blob in a segment: it is dropped with a warning, can be stored again, and stays gone otherwise', async () => {
    const [first, second] = [seededBlob(1, 5000), seededBlob(2, 5000)]
    const store = await folder.open()
    await store.blobs.put(first.digest, first.bytes)
    await store.blobs.put(second.digest, second.bytes)
    await store.close()
    flip(segments(folder)[0] ?? '', 1000)
    const { log, lines } = recordingLog()
    const damaged = await folder.open({ log })
    expect(await damaged.blobs.get(first.digest)).toBeUndefined()
    expect(await damaged.blobs.findMissing([first.digest, second.digest])).toEqual([first.digest])
    expect(await damaged.blobs.get(second.digest)).toBeDefined()
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
    await damaged.close()
    const again = await folder.open()
    expect(await again.blobs.findMissing([first.digest])).toEqual([first.digest])
    await again.blobs.put(first.digest, first.bytes)
    expect(await again.blobs.get(first.digest)).toBeDefined()
    await again.close()
  })
  test('that is found by a read does not undo the write that follows at once', async () => {
    const { digest, bytes } = seededBlob(1, 5000)
    const store = await folder.open()
    await store.blobs.put(digest, bytes)
    flip(segments(folder)[0] ?? '', 1000)
    expect(await store.blobs.get(digest)).toBeUndefined()
    await store.blobs.put(digest, bytes)
    expect(await store.blobs.get(digest)).toBeDefined()
    const killed = asKilled()
    await store.close()
    for (const where of [folder, killed]) {
      const again = await where.open()
      expect(await again.blobs.get(digest)).toBeDefined()
      await again.close()
    }
    killed.remove()
  })
  test('past the first piece of a large blob: the read fails before a wrong byte is given', async () => {
    const { digest, bytes } = seededBlob(3, 2_000_000)
    const store = await folder.open()
    await store.blobs.put(digest, bytes)
    flip(folder.files('large')[0] ?? '', 1_000_000)
    let given = 0
    const reading = (async () => {
      for await (const piece of (await store.blobs.read(digest)) ?? []) {
        expect(Buffer.compare(piece, bytes.subarray(given, given + piece.byteLength))).toBe(0)
        given += piece.byteLength
      }
    })()
    await expect(reading).rejects.toMatchObject({ kind: 'corrupt' })
    expect(given).toBe(3 * 262_144)
    expect(await store.blobs.findMissing([digest])).toEqual([digest])
    expect(await readWhole(await store.blobs.read(digest))).toBeUndefined()
    await store.close()
  })
  test('outside of what is asked for does not hinder a read', async () => {
    const { digest, bytes } = seededBlob(4, 2_000_000)
    const store = await folder.open()
    await store.blobs.put(digest, bytes)
    flip(folder.files('large')[0] ?? '', 1_000_000)
    const found = await readWhole(await store.blobs.read(digest, { offset: 1_500_000, limit: 1000 }))
    expect(Buffer.compare(found ?? bytes, bytes.subarray(1_500_000, 1_501_000))).toBe(0)
    await store.close()
  })
  test('of a large file that someone removed: the blob is absent', async () => {
    const store = await folder.open({ smallBytesMax })
    const [first] = large
    if (!first) return
    await store.blobs.put(first.digest, first.bytes)
    truncateSync(folder.files('large')[0] ?? '', 0)
    expect(await store.blobs.read(first.digest)).toBeUndefined()
    expect(await store.blobs.findMissing([first.digest])).toEqual([first.digest])
    await store.close()
  })
})

test('folders of parts are made anew where they are missing', async () => {
  mkdirSync(folder.path, { recursive: true })
  const store = await folder.open()
  await fill(store)
  expect(await judge(store)).toBe(everything)
  await store.close()
})
