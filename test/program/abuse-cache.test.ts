import { createHash, randomUUID } from 'node:crypto'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { zstdCompressSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { digestFunctions } from '../../src/core/digest.ts'
import { digestOf } from '../../src/core/hash.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { bytestream, re } from '../../src/wire/proto.ts'
import { Code } from '../../src/wire/rpc.ts'
import {
  batchUpdate,
  blobName,
  call,
  cas,
  codeOf,
  failureOf,
  findMissing,
  noise,
  readAll,
  streams,
  uploadName,
  wire,
  writeMessages,
  writeRequests,
} from '../cache/fixture.ts'
import { blobOf } from '../fixture/blob.ts'
import { eventually } from '../fixture/eventually.ts'
import { createServerPlace, expectSound, type ServerPlace, type TestServer } from '../fixture/servers.ts'
import { frame, grpcHeaders, rawSession } from '../wire/raw-client.ts'

/**
 * What the cache may hold in memory at the worst, in MiB: 256 of answers that wait for all clients
 * together, counted twice since the socket and the collector keep a copy for a while, 128
 * compressors and decompressors, and what it takes at rest.
 */
const memoryMbMax = 900
const sound = blobOf(noise(3_000_000, 7))
const huge = blobOf(Buffer.concat([noise(1_000_000), Buffer.alloc(99_000_000, 'x')]))

describe('a cache under attack', () => {
  let place: ServerPlace
  let server: TestServer
  const sessions: ClientHttp2Session[] = []

  beforeAll(async () => {
    place = createServerPlace()
    const store = { kind: 'disk', path: `${place.folder}/store`, size: '40GB' }
    server = await place.start('cas', { store, blob_size_max: '10GB', instances: ['', 'main'] })
    for (const { digest, bytes } of [sound, huge])
      await writeMessages(server.channel, writeRequests(uploadName(digest), bytes, 1024 * 1024))
  })
  afterEach(async () => {
    for (const session of sessions.splice(0)) session.destroy()
    expectSound(server, memoryMbMax)
    const another = openChannel(`grpc://${server.address}`)
    expect(blobOf(await readAll(another, blobName(sound.digest))).digest).toEqual(sound.digest)
    another.close()
  })
  afterAll(() => place.dispose())

  async function connect(): Promise<ClientHttp2Session> {
    const session = await rawSession(server.address)
    sessions.push(session)
    return session
  }

  const unary = (method: string, body: Uint8Array) => codeOf(server.channel.unary(method, body))
  const garbage = [
    Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    Buffer.from([0x12, 0x05, 0x0a, 0x50]),
    Buffer.alloc(11, 0xff),
    Buffer.from([0x07]),
    Buffer.alloc(200, 0x0b),
    Buffer.from('GET / HTTP/1.1\r\n'),
  ]

  test.each([
    `${cas}/FindMissingBlobs`,
    `${cas}/BatchUpdateBlobs`,
    `${cas}/BatchReadBlobs`,
    `${cas}/SpliceBlob`,
    'build.bazel.remote.execution.v2.ActionCache/GetActionResult',
    'build.bazel.remote.execution.v2.ActionCache/UpdateActionResult',
    'build.bazel.remote.execution.v2.Capabilities/GetCapabilities',
    `${streams}/QueryWriteStatus`,
  ])('malformed protobufs: %s is INVALID_ARGUMENT', async (method) => {
    for (const body of garbage) expect(await unary(method, body)).toBe('INVALID_ARGUMENT')
  })

  test('malformed protobufs in streams are INVALID_ARGUMENT', async () => {
    async function* messages(body: Buffer): AsyncGenerator<Uint8Array> {
      yield body
    }
    for (const body of garbage) {
      expect(await codeOf(server.channel.clientStream(`${streams}/Write`, messages(body)))).toBe('INVALID_ARGUMENT')
      expect(await codeOf(drained(server.channel.serverStream(`${streams}/Read`, body)))).toBe('INVALID_ARGUMENT')
      expect(await codeOf(drained(server.channel.serverStream(`${cas}/GetTree`, body)))).toBe('INVALID_ARGUMENT')
    }
  })

  const { hash } = sound.digest
  test.each([
    { hash: hash.toUpperCase(), sizeBytes: 1 },
    { hash: hash.slice(1), sizeBytes: 1 },
    { hash: `${hash}0`, sizeBytes: 1 },
    { hash: `../${hash.slice(3)}`, sizeBytes: 1 },
    { hash: '', sizeBytes: 0 },
    { hash, sizeBytes: -1 },
    { hash, sizeBytes: 2 ** 53 },
    { hash: '\0'.repeat(64), sizeBytes: 1 },
  ])('a digest that is none is INVALID_ARGUMENT: %j', async (digest) => {
    const find = re.FindMissingBlobsRequest.encode({ blobDigests: [digest] }).finish()
    expect(await unary(`${cas}/FindMissingBlobs`, find)).toBe('INVALID_ARGUMENT')
    const tree = re.GetTreeRequest.encode({ rootDigest: digest }).finish()
    expect(await codeOf(drained(server.channel.serverStream(`${cas}/GetTree`, tree)))).toBe('INVALID_ARGUMENT')
    const result = re.GetActionResultRequest.encode({ actionDigest: digest }).finish()
    expect(await unary('build.bazel.remote.execution.v2.ActionCache/GetActionResult', result)).toBe('INVALID_ARGUMENT')
  })

  test.each([
    '',
    '/',
    'blobs',
    `blobs/${hash}`,
    `blobs/${hash}/`,
    `blobs/${hash}/-1`,
    `blobs/${hash}/01`,
    `blobs/${hash}/1e3`,
    `blobs/${hash}/99999999999999999999`,
    `blobs/../../etc/passwd/1`,
    `../blobs/${hash}/1`,
    `blobs/${hash}\0/1`,
    `compressed-blobs/deflate/${hash}/1`,
    `other/blobs/${hash}/1`,
    `blobs/${hash}/1/more`,
    'x'.repeat(100_000),
  ])('a resource name that is none is INVALID_ARGUMENT: %j', async (name) => {
    expect(await codeOf(readAll(server.channel, name))).toBe('INVALID_ARGUMENT')
    const write = [{ resourceName: name.replace(/^(blobs|compressed)/, 'uploads/u/../$1'), finishWrite: true }]
    expect(await codeOf(writeMessages(server.channel, write))).toBe('INVALID_ARGUMENT')
  })

  const file = (name: string) => ({ name, digest: wire(sound.digest) })
  test.each([
    { files: [file('..')] },
    { files: [file('.')] },
    { files: [file('')] },
    { files: [file('a/b')] },
    { files: [file('/etc/passwd')] },
    { files: [file('a\0b')] },
    { files: [file('b'), file('a')] },
    { files: [file('a'), file('a')] },
    { files: [file('n'.repeat(256))] },
    { directories: [{ name: '..', digest: wire(sound.digest) }] },
    { symlinks: [{ name: 'x', target: '' }] },
    { symlinks: [{ name: 'x', target: 'a\0' }] },
    { directories: [{ name: 'a', digest: { hash: '../../x', sizeBytes: 1 } }] },
  ])('GetTree of a hostile Directory is INVALID_ARGUMENT: %j', async (directory) => {
    const blob = blobOf(re.Directory.encode(directory).finish())
    await batchUpdate(server.channel, { requests: [{ digest: wire(blob.digest), data: blob.bytes }] })
    const request = re.GetTreeRequest.encode({ rootDigest: wire(blob.digest) }).finish()
    expect(await codeOf(drained(server.channel.serverStream(`${cas}/GetTree`, request)))).toBe('INVALID_ARGUMENT')
  })

  test('oversize messages are RESOURCE_EXHAUSTED, also those that only say so', async () => {
    const session = await connect()
    const find = `/${cas}/FindMissingBlobs`
    expect(await grpcStatus(session, `/${streams}/Write`, [frame(Buffer.alloc(5_000_000))])).toBe(
      Code.RESOURCE_EXHAUSTED,
    )
    expect(await grpcStatus(session, find, [frame(Buffer.alloc(21_000_000))])).toBe(Code.RESOURCE_EXHAUSTED)
    expect(await grpcStatus(session, find, [frame(Buffer.alloc(10), { length: 2 ** 32 - 1 })])).toBe(
      Code.RESOURCE_EXHAUSTED,
    )
  })

  test('truncated messages are INTERNAL, unknown methods UNIMPLEMENTED', async () => {
    const session = await connect()
    const find = `/${cas}/FindMissingBlobs`
    for (const body of [frame(Buffer.alloc(10), { length: 1000 }), Buffer.from([0, 0]), Buffer.alloc(0)])
      expect(await grpcStatus(session, find, [body])).toBe(Code.INTERNAL)
    expect(await grpcStatus(session, `/${cas}/Nonsense`, [frame(Buffer.alloc(0))])).toBe(Code.UNIMPLEMENTED)
  })

  test('zstd bombs are INVALID_ARGUMENT, in byte streams and in batches', async () => {
    const bomb = zstdCompressSync(Buffer.alloc(1_000_000_000))
    for (const size of [10, 100_000, 50_000_000]) {
      const digest = { ...digestOf('sha256', Buffer.from('bomb')), size }
      const name = uploadName(digest, randomUUID(), true)
      expect(await codeOf(writeMessages(server.channel, writeRequests(name, bomb, 16 * 1024)))).toBe('INVALID_ARGUMENT')
      if (size > 1_000_000) continue
      const request = { digest: wire(digest), data: bomb, compressor: re.Compressor.Value.ZSTD }
      const { responses } = await batchUpdate(server.channel, { requests: [request] })
      expect(responses.map((each) => each.status?.code)).toEqual([Code.INVALID_ARGUMENT])
    }
  })

  test('1,000 zstd bombs at once that never end: some are told to come back, the others are bounded', async () => {
    const session = await connect()
    const bomb = zstdCompressSync(Buffer.alloc(64_000_000)).subarray(0, 1000)
    const answers = Array.from({ length: 1000 }, (_, i) => {
      const digest = { fn: 'sha256', hash: fakeHash(i), size: 65_000_000 } as const
      const resourceName = uploadName(digest, randomUUID(), true)
      const message = bytestream.WriteRequest.encode({ resourceName, data: bomb }).finish()
      return answered(opened(session, `/${streams}/Write`, frame(message), false))
    })
    const first = await Promise.all(answers.slice(500))
    expect(new Set(first)).toEqual(new Set([Code.UNAVAILABLE]))
  })

  test('rule 15: as many digests as a message of 4 MiB holds are answered', async () => {
    const digests = Array.from({ length: 58_000 }, (_, i) => ({ fn: 'sha256', hash: fakeHash(i), size: i }) as const)
    expect((await findMissing(server.channel, digests)).missingBlobDigests.length).toBe(digests.length)
  })

  test.each(['sha256', 'blake3', 'sha512'] as const)(
    '100,000 %s digests are answered; more are INVALID_ARGUMENT',
    async (fn) => {
      const digests = Array.from({ length: 100_000 }, (_, i) => ({ hash: fakeHash(i, fn), sizeBytes: i + 1 }))
      const digestFunction = digestFunctions[fn].value
      const session = await connect()
      const request = re.FindMissingBlobsRequest.encode({ blobDigests: digests, digestFunction }).finish()
      expect(await grpcStatus(session, `/${cas}/FindMissingBlobs`, [frame(request)])).toBe(0)
      const many = re.FindMissingBlobsRequest.encode({ blobDigests: Array.from({ length: 100_001 }, () => ({})) })
      const error = await failureOf(server.channel.unary(`${cas}/FindMissingBlobs`, many.finish()))
      expect(error.code).toBe(Code.INVALID_ARGUMENT)
      expect(error.message).toContain('100000')
    },
  )

  test('10,000 open streams on one connection, and another client is served meanwhile', async () => {
    const session = await connect()
    const message = bytestream.WriteRequest.encode({
      resourceName: uploadName({ fn: 'sha256', hash: fakeHash(1), size: 2_000_000 }),
      data: Buffer.alloc(1000),
    }).finish()
    for (let i = 0; i < 10_000; i += 1) opened(session, `/${streams}/Write`, frame(message).subarray(0, 500), false)
    await new Promise<void>((resolve) => session.ping(() => resolve()))
    expect((await findMissing(server.channel, [sound.digest])).missingBlobDigests).toEqual([])
    const fresh = blobOf(noise(2_000_000, 9))
    await writeMessages(server.channel, writeRequests(uploadName(fresh.digest), fresh.bytes, 64 * 1024))
  })

  test.each([
    { connections: 1, each: 2_000, compressed: false },
    { connections: 20, each: 250, compressed: false },
    { connections: 2, each: 1_000, compressed: true },
  ])('clients that stop reading a blob of 100 MB: %j', async ({ connections, each, compressed }) => {
    const request = bytestream.ReadRequest.encode({ resourceName: blobName(huge.digest, compressed) }).finish()
    for (let i = 0; i < connections; i += 1) {
      const session = await connect()
      const all = Array.from({ length: each }, () => opened(session, `/${streams}/Read`, frame(request), true))
      // The first one has its headers, and nobody ever reads on.
      await new Promise((resolve) => all[0]?.once('response', resolve))
    }
    expect(blobOf(await readAll(server.channel, blobName(huge.digest))).digest).toEqual(huge.digest)
  })

  test('uploads that are opened and never finished: their connection goes, and others have all the room', async () => {
    const session = await connect()
    const digest = (i: number) => ({ fn: 'sha256', hash: fakeHash(i), size: 4_000_000_000 }) as const
    for (let i = 0; i < 20; i += 1) {
      const message = bytestream.WriteRequest.encode({ resourceName: uploadName(digest(i)), data: Buffer.alloc(10) })
      opened(session, `/${streams}/Write`, frame(message.finish()), false)
    }
    await new Promise<void>((resolve) => session.ping(() => resolve()))
    session.destroy()
    const fresh = blobOf(noise(5_000_000, 11))
    await eventually(
      () => writeMessages(server.channel, writeRequests(uploadName(fresh.digest), fresh.bytes, 64 * 1024)),
      (size) => size === fresh.digest.size,
    )
  })

  test('uploads that announce much and stand still take no room from others', async () => {
    const session = await connect()
    for (let i = 0; i < 12; i += 1) {
      const resourceName = uploadName({ fn: 'sha256', hash: fakeHash(i), size: 3_000_000_000 })
      const message = bytestream.WriteRequest.encode({ resourceName, data: Buffer.alloc(10) }).finish()
      opened(session, `/${streams}/Write`, frame(message), false)
    }
    await new Promise<void>((resolve) => session.ping(() => resolve()))
    const large = { fn: 'sha256', hash: fakeHash(99), size: 6_000_000_000 } as const
    expect(await writeMessages(server.channel, [{ resourceName: uploadName(large), data: Buffer.alloc(10) }])).toBe(10)
    session.destroy()
  })

  test('a blob that can never fit is RESOURCE_EXHAUSTED, one over the server’s limit INVALID_ARGUMENT', async () => {
    const digest = (size: number) => ({ fn: 'sha256', hash: fakeHash(3), size }) as const
    const begin = (size: number) =>
      failureOf(writeMessages(server.channel, [{ resourceName: uploadName(digest(size)) }]))
    expect((await begin(11_000_000_000)).code).toBe(Code.INVALID_ARGUMENT)
    expect((await begin(Number.MAX_SAFE_INTEGER)).code).toBe(Code.INVALID_ARGUMENT)
  })

  test('a result that names rubbish is INVALID_ARGUMENT', async () => {
    const update = (actionResult: re.ActionResult.$Properties) =>
      codeOf(
        call(
          server.channel,
          'build.bazel.remote.execution.v2.ActionCache/UpdateActionResult',
          re.UpdateActionResultRequest,
          { actionDigest: wire(sound.digest), actionResult },
          re.ActionResult,
        ),
      )
    expect(await update({ outputFiles: [{ path: 'x', digest: { hash: '..', sizeBytes: 1 } }] })).toBe(
      'INVALID_ARGUMENT',
    )
    expect(await update({ outputDirectories: [{ path: 'x', treeDigest: wire(sound.digest) }] })).toBe(
      'INVALID_ARGUMENT',
    )
  })
})

function fakeHash(i: number, fn: 'sha256' | 'blake3' | 'sha512' = 'sha256'): string {
  return createHash(fn === 'sha512' ? 'sha512' : 'sha256')
    .update(String(i))
    .digest('hex')
}

async function drained(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

/** A stream that has sent these bytes, and reads nothing. */
function opened(session: ClientHttp2Session, path: string, body: Buffer, end: boolean): ClientHttp2Stream {
  const stream = session.request({ ...grpcHeaders, ':path': path })
  stream.on('error', () => undefined)
  stream.pause()
  stream.write(body)
  if (end) stream.end()
  return stream
}

/** The status that a stream ends with. */
function answered(stream: ClientHttp2Stream): Promise<number> {
  stream.resume()
  return new Promise((resolve) => {
    const look = (fields: { 'grpc-status'?: string }) => {
      if (fields['grpc-status'] !== undefined) resolve(Number(fields['grpc-status']))
    }
    stream.on('response', look)
    stream.on('trailers', look)
  })
}

async function grpcStatus(session: ClientHttp2Session, path: string, body: readonly Buffer[]): Promise<number> {
  return answered(opened(session, path, Buffer.concat(body), true))
}
