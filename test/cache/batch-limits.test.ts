import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestFunctions } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import { batchBytesMax, messageBytesMax } from '../../src/core/limits.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { re } from '../../src/wire/proto.ts'
import { type Channel, Code, type RpcServer } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { batchRead, batchUpdate, cas, noise, openCache, type TestCache, wire } from './fixture.ts'

describe('D4: batches of what is announced, however they are split', () => {
  let cache: TestCache
  let server: RpcServer
  /** As clients are by default: with no answer beyond 4 MiB. */
  let channel: Channel
  let patient: Channel

  beforeEach(async () => {
    cache = openCache()
    server = await listen(cache.services, { address: '127.0.0.1:0' })
    channel = openChannel(`grpc://${server.address}`)
    patient = openChannel(`grpc://${server.address}`, { receiveBytesMax: 64 * 1024 * 1024 })
  })
  afterEach(async () => {
    channel.close()
    patient.close()
    await server.close()
  })

  /** So many blobs that have all that is announced together. */
  function split(count: number, fn: 'sha256' | 'sha512' = 'sha256') {
    const all = noise(batchBytesMax, count)
    const size = Math.floor(batchBytesMax / count)
    return Array.from({ length: count }, (_, i) => {
      const bytes = all.subarray(i * size, (i + 1) * size)
      return { digest: digestOf(fn, bytes), bytes }
    })
  }

  test.each([1, 2, 7, 1_000, 20_000])(
    '%d blobs go up and come down, or are told to be asked for again',
    async (count) => {
      const blobs = split(count)
      const requests = blobs.map(({ digest, bytes }) => ({ digest: wire(digest), data: bytes }))
      const up = await batchUpdate(channel, { requests })
      expect(up.responses.filter(({ status }) => status?.code).length).toBe(0)
      let left = blobs.map(({ digest }) => digest)
      for (let calls = 0; left.length > 0; calls += 1) {
        expect(calls).toBeLessThan(4)
        const digests = left.map(wire)
        const answer = await channel.unary(
          `${cas}/BatchReadBlobs`,
          re.BatchReadBlobsRequest.encode({ digests }).finish(),
        )
        expect(answer.length).toBeLessThanOrEqual(messageBytesMax)
        const { responses } = re.BatchReadBlobsResponse.decode(answer)
        expect(responses.length).toBe(left.length)
        const full = responses.map(({ status }) => status?.code === Code.RESOURCE_EXHAUSTED)
        expect(
          responses.every(({ data, status }, i) => full[i] || (!status?.code && data?.length === left[i]?.size)),
        ).toBe(true)
        left = left.filter((_, i) => full[i])
      }
    },
  )

  test.each(['sha256', 'sha512'] as const)(
    '100,000 blobs named by %s, whose digests alone are more than 4 MiB',
    async (fn) => {
      const blobs = split(100_000, fn)
      const digestFunction = digestFunctions[fn].value
      const requests = blobs.map(({ digest, bytes }) => ({ digest: wire(digest), data: bytes }))
      const up = await batchUpdate(patient, { requests, digestFunction })
      expect(up.responses.filter(({ status }) => status?.code).length).toBe(0)
      const down = await batchRead(patient, { digests: blobs.map(({ digest }) => wire(digest)), digestFunction })
      expect(down.responses.filter(({ data, status }) => status?.code || data?.length !== 41).length).toBe(0)
    },
  )

  test('absent blobs by the thousand are named with a bare code, within 4 MiB', async () => {
    const digests = Array.from({ length: 40_000 }, (_, i) =>
      wire({ ...digestOf('sha256', Buffer.from(String(i))), size: 30 }),
    )
    const { responses } = await batchRead(channel, { digests })
    expect(new Set(responses.map(({ status }) => status?.code))).toEqual(
      new Set([Code.NOT_FOUND, Code.RESOURCE_EXHAUSTED]),
    )
  })
})
