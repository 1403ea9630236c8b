import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { Code } from '../../src/wire/rpc.ts'
import {
  batchUpdate,
  blobName,
  codeOf,
  findMissing,
  noise,
  readAll,
  uploadName,
  wire,
  writeMessages,
  writeRequests,
} from '../cache/fixture.ts'
import { blobOf } from '../fixture/blob.ts'
import { createServerPlace, expectSound, type ServerPlace, type TestServer } from '../fixture/servers.ts'

const capacity = 64_000_000
const sizes = [77, 1_000, 1_000, 20_000, 300_000, 1_500_000, 4_000_000]

let place: ServerPlace
let server: TestServer
let store: string

beforeAll(async () => {
  place = createServerPlace()
  store = join(place.folder, 'store')
  server = await place.start('cas', { store: { kind: 'disk', path: store, size: capacity } })
})
afterAll(() => place.dispose())

/** What all files below a folder are long together; one that goes meanwhile counts nothing. */
function bytesIn(folder: string): number {
  let bytes = 0
  for (const name of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (name.isFile()) bytes += statSync(join(name.parentPath, name.name), { throwIfNoEntry: false })?.size ?? 0
  return bytes
}

test('three times the capacity, from eight writers at once: the folder is never larger, the newest blobs are there', async () => {
  let most = 0
  let sent = 0
  const newest: Digest[] = []
  async function writer(seed: number): Promise<void> {
    for (let i = 0; sent < 3 * capacity; i += 1) {
      const { digest, bytes } = blobOf(noise(sizes[(i + seed) % sizes.length] ?? 1, seed * 1_000_000 + i))
      sent += bytes.length
      if (i % 3 === 0 && bytes.length < 3_000_000) {
        const { responses } = await batchUpdate(server.channel, {
          requests: [{ digest: wire(digest), data: bytes }],
        })
        expect(responses[0]?.status?.code ?? Code.OK).toBe(Code.OK)
      } else
        expect(await writeMessages(server.channel, writeRequests(uploadName(digest), bytes, 256 * 1024))).toBe(
          bytes.length,
        )
      newest.push(digest)
      if (newest.length > 10) newest.shift()
      most = Math.max(most, bytesIn(store))
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, seed) => writer(seed)))
  expect(most).toBeGreaterThan(capacity / 2)
  expect(most).toBeLessThanOrEqual(capacity)
  expect((await findMissing(server.channel, newest)).missingBlobDigests).toEqual([])
  for (const digest of newest) expect(blobOf(await readAll(server.channel, blobName(digest))).digest).toEqual(digest)
  expectSound(server, 600)
})

test('a blob that cannot fit is RESOURCE_EXHAUSTED, and nothing is thrown away for it', async () => {
  const kept = blobOf(noise(100_000, 5))
  await writeMessages(server.channel, writeRequests(uploadName(kept.digest), kept.bytes, 64 * 1024))
  const large = { ...kept.digest, size: capacity + 1 }
  const name = uploadName(large)
  expect(await codeOf(writeMessages(server.channel, [{ resourceName: name, data: Buffer.alloc(10) }]))).toBe(
    'RESOURCE_EXHAUSTED',
  )
  expect((await findMissing(server.channel, [kept.digest])).missingBlobDigests).toEqual([])
  expect(bytesIn(store)).toBeLessThanOrEqual(capacity)
})
