import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DiskStore } from '../../src/store/disk/disk.ts'
import { verified } from '../../src/store/verified.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { bytestream } from '../../src/wire/proto.ts'
import type { Channel, RpcServer } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'
import { blobName, blobOf, noise, openCache } from './fixture.ts'

const lengths = [1, 1000, 4097, 16_385, 65_536, 262_144, 262_145, 700_000, 1_048_576, 1_048_577, 3_000_001]

/** One read: of which blob, from which part of it on, how many messages it takes, and over which channel. */
interface Asked {
  readonly at: number
  readonly from: number
  readonly limit: number
  readonly messagesMax: number
  readonly channel: number
}

let folder: DiskFolder
let store: DiskStore
let server: RpcServer
let channels: readonly Channel[]

beforeEach(async () => {
  folder = diskFolder(512 * 1024 * 1024)
  store = await folder.open()
  const { services } = openCache({ decorate: () => verified(store.blobs) })
  server = await listen(services, { address: '127.0.0.1:0' })
  channels = [openChannel(`grpc://${server.address}`), openChannel(`grpc://${server.address}`)]
})
afterEach(async () => {
  for (const each of channels) each.close()
  await server.close()
  await store.close()
  folder.remove()
})

test('blobs from a disk are right byte for byte, however many reads interleave, begin anywhere or break off', async () => {
  const blobs = lengths.map((length) => blobOf(noise(length, length)))
  await Promise.all(blobs.map(({ digest, bytes }) => store.blobs.put(digest, bytes)))
  const asked: fc.Arbitrary<Asked> = fc.record({
    at: fc.nat(blobs.length - 1),
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    limit: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1_000_000 })),
    messagesMax: fc.oneof(
      { weight: 3, arbitrary: fc.constant(1000) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }) },
    ),
    channel: fc.nat(1),
  })

  async function read({ at, from, limit, messagesMax, channel }: Asked): Promise<void> {
    const blob = blobs[at]
    const way = channels[channel]
    if (!blob || !way) throw new Error('there is no such blob or channel')
    const readOffset = Math.floor(from * blob.bytes.length)
    const request = { resourceName: blobName(blob.digest), readOffset, readLimit: limit }
    const messages = way.serverStream(
      'google.bytestream.ByteStream/Read',
      bytestream.ReadRequest.encode(request).finish(),
    )
    const end = limit === 0 ? blob.bytes.length : Math.min(blob.bytes.length, readOffset + limit)
    let position = readOffset
    let count = 0
    for await (const message of messages) {
      const { data } = bytestream.ReadResponse.decode(message)
      expect(Buffer.compare(data, blob.bytes.subarray(position, position + data.length))).toBe(0)
      position += data.length
      count += 1
      if (count === messagesMax) return
    }
    expect(position).toBe(end)
  }

  await fc.assert(
    fc.asyncProperty(fc.array(asked, { minLength: 10, maxLength: 40 }), async (reads) => {
      await Promise.all(reads.map(read))
    }),
    { numRuns: 12 },
  )
}, 60_000)
