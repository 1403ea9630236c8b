import { afterEach, describe, expect, test } from 'vitest'
import { idleMsMin } from '../../src/cache/upload-table.ts'
import type { DiskStore } from '../../src/store/disk/disk.ts'
import { verified } from '../../src/store/verified.ts'
import type { bytestream } from '../../src/wire/proto.ts'
import { seededBlob } from '../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'
import {
  codeOf,
  findMissing,
  openCache,
  queryWrite,
  type TestCache,
  uploadName,
  writeMessages,
  writeRequests,
} from './fixture.ts'

const capacity = 4_000_000
/** All that the store has for blobs but some 100 kB. */
const most = seededBlob(1, 3_550_000)
const small = seededBlob(2, 300_000)

let folder: DiskFolder
let store: DiskStore
afterEach(async () => {
  await store.close()
  folder.remove()
})

/** A cache over a disk, where a small blob takes its room only when it is committed. */
async function openDiskCache(): Promise<TestCache> {
  folder = diskFolder(capacity)
  store = await folder.open({ smallBytesMax: 400_000 })
  return openCache({ decorate: () => verified(store.blobs) })
}

/** Sends all bytes of a blob, and says that they are all when it is told to. */
function slowly({ channel }: TestCache, name: string, bytes: Uint8Array): { finish(): void; answer: Promise<number> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  async function* requests(): AsyncGenerator<bytestream.WriteRequest.$Properties> {
    yield { resourceName: name, data: bytes }
    await promise
    yield { writeOffset: bytes.length, finishWrite: true }
  }
  return { finish: resolve, answer: writeMessages(channel, requests()) }
}

async function taken({ channel }: TestCache, name: string, bytes: number): Promise<void> {
  while ((await queryWrite(channel, name)).committedSize < bytes) await new Promise(setImmediate)
}

describe('an upload that stood still, and whose blob then finds no room', () => {
  test('is refused where nobody else gives any up, and keeps nobody waiting', async () => {
    const cache = await openDiskCache()
    const holding = await store.blobs.write(most.digest)
    await holding.write(most.bytes)
    const name = uploadName(small.digest)
    const { finish, answer } = slowly(cache, name, small.bytes)
    await taken(cache, name, small.bytes.length)
    cache.clock.move(idleMsMin)
    finish()
    expect(await codeOf(answer)).toBe('RESOURCE_EXHAUSTED')
    const again = () => writeMessages(cache.channel, writeRequests(uploadName(small.digest), small.bytes, 1_000_000))
    expect(await codeOf(again())).toBe('RESOURCE_EXHAUSTED')
    await holding.abort()
    expect(await again()).toBe(small.digest.size)
  })

  test('is stored in the room of another that stands still', async () => {
    const cache = await openDiskCache()
    const standing = uploadName(most.digest)
    const other = slowly(cache, standing, most.bytes)
    await taken(cache, standing, most.bytes.length)
    const name = uploadName(small.digest)
    const { finish, answer } = slowly(cache, name, small.bytes)
    await taken(cache, name, small.bytes.length)
    cache.clock.move(idleMsMin)
    finish()
    expect(await answer).toBe(small.digest.size)
    expect((await findMissing(cache.channel, [small.digest])).missingBlobDigests).toEqual([])
    other.finish()
    expect(await codeOf(other.answer)).toBe('ABORTED')
  })
})
