import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/hash.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { bytestream, re } from '../../src/wire/proto.ts'
import { type Channel, Code, type RpcServer } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import {
  actions,
  batchRead,
  batchUpdate,
  blobName,
  blobOf,
  call,
  codeOf,
  failureOf,
  findMissing,
  noise,
  openCache,
  queryWrite,
  readAll,
  streams,
  type TestCache,
  uploadName,
  wire,
  writeMessages,
  writeRequests,
} from './fixture.ts'

const hello = blobOf('hello')
const large = blobOf(noise(5_000_000))
const chunk = 16 * 1024

describe('over a network', () => {
  let cache: TestCache
  let server: RpcServer
  let channel: Channel

  beforeEach(async () => {
    cache = openCache()
    server = await listen(cache.services, { address: '127.0.0.1:0' })
    channel = openChannel(`grpc://${server.address}`)
  })
  afterEach(async () => {
    channel.close()
    await server.close()
  })

  test('500 fresh small blobs, 50 at a time, each a Write of its own as Bazel sends them', async () => {
    const blobs = Array.from({ length: 500 }, (_, i) => blobOf(`blob ${i}`))
    for (let at = 0; at < blobs.length; at += 50) {
      const sent = blobs
        .slice(at, at + 50)
        .map(({ digest, bytes }) => writeMessages(channel, writeRequests(uploadName(digest), bytes, chunk)))
      expect(await Promise.all(sent)).toEqual(blobs.slice(at, at + 50).map(({ digest }) => digest.size))
    }
    const { missingBlobDigests } = await findMissing(
      channel,
      blobs.map(({ digest }) => digest),
    )
    expect(missingBlobDigests).toEqual([])
  })

  test('a large blob up and down, plain and compressed', async () => {
    expect(await writeMessages(channel, writeRequests(uploadName(large.digest), large.bytes, chunk))).toBe(5_000_000)
    expect(blobOf(await readAll(channel, blobName(large.digest))).digest).toEqual(large.digest)
    await cache.blobs.delete(large.digest)
    const packed = zstdCompressSync(large.bytes)
    const name = uploadName(large.digest, undefined, true)
    expect(await writeMessages(channel, writeRequests(name, packed, chunk))).toBe(packed.length)
    const back = zstdDecompressSync(await readAll(channel, blobName(large.digest, true)))
    expect(blobOf(back).digest).toEqual(large.digest)
  })

  test('rule 7: an early end while the client still sends is an answer, not a reset', async () => {
    await cache.blobs.put(large.digest, large.bytes)
    for (let i = 0; i < 20; i += 1) {
      const sent = writeMessages(channel, writeRequests(uploadName(large.digest), large.bytes, chunk))
      expect(await sent).toBe(large.digest.size)
    }
    expect((await findMissing(channel, [hello.digest])).missingBlobDigests.length).toBe(1)
  })

  test('an error while the client still sends arrives with its code', async () => {
    const wrong = { ...large.digest, size: 100_000 }
    for (let i = 0; i < 20; i += 1) {
      const sent = writeMessages(channel, writeRequests(uploadName(wrong), large.bytes, chunk))
      expect(await codeOf(sent)).toBe('INVALID_ARGUMENT')
    }
  })

  test('rule 11: an upload that broke, its status, and the rest in another stream', async () => {
    const name = uploadName(large.digest)
    const sent = 100 * chunk
    const first = [...writeRequests(name, large.bytes, chunk)].slice(0, 100)
    const connection = new AbortController()
    const hangs = new Promise<never>(() => undefined)
    async function* endless(): AsyncGenerator<bytestream.WriteRequest.$Properties> {
      yield* first
      await hangs
    }
    const failed = codeOf(writeMessages(channel, endless(), { signal: connection.signal }))
    while ((await queryWrite(channel, name)).committedSize < sent);
    connection.abort()
    const rest = writeRequests(name, large.bytes.subarray(sent), chunk, sent)
    expect(await writeMessages(channel, rest)).toBe(large.digest.size)
    expect(await failed).toBe('CANCELLED')
    expect(blobOf(await readAll(channel, blobName(large.digest))).digest).toEqual(large.digest)
  })

  test('rule 13: a batch of just the limit passes both ways', async () => {
    const blob = blobOf(noise(4 * 1024 * 1024 - 64 * 1024))
    await batchUpdate(channel, { requests: [{ digest: wire(blob.digest), data: blob.bytes }] })
    const { responses } = await batchRead(channel, { digests: [wire(blob.digest)] })
    expect(blobOf(responses[0]?.data ?? '').digest).toEqual(blob.digest)
  })

  test('rule 15: 10,000 digests', async () => {
    const digests = Array.from({ length: 10_000 }, (_, i) => digestOf('sha256', Buffer.from(String(i))))
    expect((await findMissing(channel, digests)).missingBlobDigests.length).toBe(10_000)
  })

  test('rule 21: violations of a result that refers to nothing reach the client', async () => {
    const request = { actionDigest: wire(hello.digest), actionResult: { stdoutDigest: wire(large.digest) } }
    const error = await failureOf(
      call(channel, `${actions}/UpdateActionResult`, re.UpdateActionResultRequest, request, re.ActionResult),
    )
    expect(error.code).toBe(Code.FAILED_PRECONDITION)
    expect(error.details.map((each) => each.type_url)).toEqual(['type.googleapis.com/google.rpc.PreconditionFailure'])
  })

  test('a client that stops reading in the middle does not disturb others', async () => {
    await cache.blobs.put(large.digest, large.bytes)
    const request = bytestream.ReadRequest.encode({ resourceName: blobName(large.digest) }).finish()
    for (let i = 0; i < 10; i += 1) {
      const messages = channel.serverStream(`${streams}/Read`, request)[Symbol.asyncIterator]()
      await messages.next()
      await messages.return?.()
    }
    expect(blobOf(await readAll(channel, blobName(large.digest))).digest).toEqual(large.digest)
  })
})
