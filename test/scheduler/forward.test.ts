import { describe, expect, test } from 'vitest'
import { createActionsClient } from '../../src/client/actions.ts'
import { negotiate } from '../../src/client/capabilities.ts'
import { createCasClient } from '../../src/client/cas.ts'
import { systemClock } from '../../src/core/clock.ts'
import { digestsMessageBytesMax } from '../../src/core/limits.ts'
import { forwardedServices } from '../../src/scheduler/forward.ts'
import { packAny } from '../../src/wire/any.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { openDirectChannel } from '../../src/wire/direct.ts'
import { bytestream, re } from '../../src/wire/proto.ts'
import { type Call, Code, RpcError, type Service } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { openRemote } from '../client/remote.ts'
import { seededBlob } from '../fixture/blob.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'
import { manualClock } from './clock.ts'
import { connectWorker, errorOf } from './worker.ts'
import { createWorld } from './world.ts'

const findMissing = 'build.bazel.remote.execution.v2.ContentAddressableStorage/FindMissingBlobs'
const readMethod = 'google.bytestream.ByteStream/Read'

describe('a client that knows the scheduler’s address only', () => {
  test('writes and reads blobs of any size, and action results', async () => {
    const { channel } = createWorld()
    const cas = createCasClient(channel)
    const blobs = [seededBlob(1, 77), seededBlob(2, 300_000), seededBlob(3, 5_000_000)]
    const sources = blobs.map(({ digest, bytes }) => ({ digest, content: bytes }))
    expect((await cas.uploadMissing(sources)).blobs).toBe(3)
    expect((await cas.uploadMissing(sources)).present).toBe(3)
    for (const { digest, bytes } of blobs) {
      const parts: Uint8Array[] = []
      for await (const piece of cas.readStream(digest)) parts.push(piece)
      expect(Buffer.concat(parts).equals(Buffer.from(bytes))).toBe(true)
    }
    const actions = createActionsClient(channel)
    const [blob] = blobs
    if (!blob) throw new Error('no blob')
    expect(await actions.get(blob.digest)).toBeUndefined()
    await actions.update(blob.digest, { exitCode: 0, executionMetadata: { worker: 'w' } })
    expect((await actions.get(blob.digest))?.executionMetadata?.worker).toBe('w')
  })

  test('sees what cache and execution can do (rules 33 and 43)', async () => {
    const { channel } = createWorld()
    expect(await negotiate(channel)).toMatchObject({ cache: true, execution: true, fn: 'sha256' })
    const bytes = await channel.unary(
      'build.bazel.remote.execution.v2.Capabilities/GetCapabilities',
      re.GetCapabilitiesRequest.encode({ instanceName: 'main' }).finish(),
    )
    const { executionCapabilities } = re.ServerCapabilities.decode(bytes)
    expect(executionCapabilities?.digestFunction).toBe(1)
    expect(executionCapabilities?.digestFunctions).toContain(1)
    const [range] = executionCapabilities?.executionPriorityCapabilities?.priorities ?? []
    expect(range).toMatchObject({ minPriority: -(2 ** 31), maxPriority: 2 ** 31 - 1 })
  })

  test('asks for capabilities as often as it likes: the CAS is asked now and then', async () => {
    const world = createWorld()
    for (let i = 0; i < 5; i += 1) await negotiate(world.channel)
    expect(world.calls).toEqual(['GetCapabilities'])
    world.clock.advance(31_000)
    await negotiate(world.channel)
    expect(world.calls.length).toBe(2)
  })

  test('rule 34: an unknown instance is INVALID_ARGUMENT', async () => {
    const { channel } = createWorld()
    expect((await errorOf(negotiate(channel, { instance: 'other' }))).code).toBe(Code.INVALID_ARGUMENT)
  })
})

/** Forwards to services of the test. */
function forwarded(services: readonly Service[], clock = manualClock()) {
  return memoryChannel(forwardedServices(memoryChannel(services, { clock }), clock), { clock })
}

function cas(handle: (request: Buffer, call: Call) => Uint8Array | Promise<Uint8Array>): Service {
  return {
    name: 'build.bazel.remote.execution.v2.ContentAddressableStorage',
    methods: { FindMissingBlobs: { kind: 'unary', handle } },
  }
}

describe('a forwarded call', () => {
  test('carries bytes, metadata and deadline, but no headers of the connection', async () => {
    const clock = manualClock()
    let seen: Call | undefined
    const channel = forwarded(
      [
        cas((request, call) => {
          seen = call
          return Buffer.concat([request, Buffer.from('!')])
        }),
      ],
      clock,
    )
    const metadata = { 'x-token': 'abc', 'user-agent': 'me', 'key-bin': 'AAEC', 'grpc-encoding': 'gzip' }
    const request = Buffer.from([0xff, 0x00, 0x01])
    const answer = await channel.unary(findMissing, request, { metadata, timeoutMs: 4_000 })
    expect([...answer]).toEqual([0xff, 0x00, 0x01, 0x21])
    expect(Object.fromEntries(seen?.metadata ?? [])).toEqual({ 'x-token': 'abc', 'key-bin': 'AAEC' })
    expect(seen?.deadline).toBe(clock.now() + 4_000)
  })

  test('brings the status back with its details', async () => {
    const details = [packAny('google.rpc.RetryInfo', Buffer.from([1, 2]))]
    const channel = forwarded([
      cas(() => {
        throw new RpcError(Code.RESOURCE_EXHAUSTED, 'full', details)
      }),
    ])
    const error = await errorOf(channel.unary(findMissing, Buffer.alloc(0)))
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, message: 'full' })
    expect(error.details).toEqual(details)
  })

  test('is cancelled when the client leaves', async () => {
    const controller = new AbortController()
    const arrived = Promise.withResolvers<Call>()
    const channel = forwarded([
      cas((_, call) => {
        arrived.resolve(call)
        return new Promise((resolve) => call.signal.addEventListener('abort', () => resolve(Buffer.alloc(0))))
      }),
    ])
    const calling = errorOf(channel.unary(findMissing, Buffer.alloc(0), { signal: controller.signal }))
    const { signal } = await arrived.promise
    controller.abort()
    expect((await calling).code).toBe(Code.CANCELLED)
    expect(signal.aborted).toBe(true)
  })

  test('does not run ahead of a client that stops reading', async () => {
    const piece = Buffer.alloc(64 * 1024)
    let sent = 0
    const channel = forwarded([
      {
        name: 'google.bytestream.ByteStream',
        methods: {
          Read: {
            kind: 'server-stream',
            async handle(_request, _call, send) {
              for (; sent < 10_000; sent += 1) await send(piece)
            },
          },
        },
      },
    ])
    const stream = channel.serverStream(readMethod, Buffer.alloc(0))[Symbol.asyncIterator]()
    await stream.next()
    for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(sent).toBeLessThan(40)
    await stream.return?.()
  })
})

describe('the output of a running action', () => {
  async function read(world: ReturnType<typeof createWorld>, resourceName: string, offset = 0) {
    const request = bytestream.ReadRequest.encode({ resourceName, readOffset: offset }).finish()
    let text = ''
    for await (const bytes of world.channel.serverStream(readMethod, request))
      text += Buffer.from(bytestream.ReadResponse.decode(bytes).data ?? []).toString()
    return text
  }

  test('is followed by the names in the operation’s metadata until the action ends', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const stream = world.execute(await world.action())
    const first = await stream.next()
    const { leaseId } = await worker.assigned()
    const stdout = read(world, first?.metadata.stdoutStreamName ?? '')
    const stderr = read(world, first?.metadata.stderrStreamName ?? '')
    worker.say({ output: { leaseId: leaseId ?? '', stream: 0, data: Buffer.from('out 1\n') } })
    worker.say({ output: { leaseId: leaseId ?? '', stream: 1, data: Buffer.from('err\n') } })
    worker.say({ output: { leaseId: leaseId ?? '', stream: 0, data: Buffer.from('out 2\n') } })
    worker.finish(leaseId ?? '')
    expect(await stdout).toBe('out 1\nout 2\n')
    expect(await stderr).toBe('err\n')
    expect(await read(world, first?.metadata.stdoutStreamName ?? '', 6)).toBe('out 2\n')
    world.clock.advance(120_000)
    expect((await errorOf(read(world, first?.metadata.stdoutStreamName ?? ''))).code).toBe(Code.NOT_FOUND)
  })

  test('of an attempt that was lost ends with UNAVAILABLE; the next attempt has streams of its own', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel, { name: 'w1' })
    const stream = world.execute(await world.action())
    const name = (await stream.next())?.metadata.stdoutStreamName ?? ''
    await worker.assigned()
    const following = errorOf(read(world, name))
    worker.die()
    expect((await following).code).toBe(Code.UNAVAILABLE)
    expect((await stream.next())?.metadata.stdoutStreamName).toBe('')
    await connectWorker(world.channel, { name: 'w2' })
    expect((await stream.next())?.metadata.stdoutStreamName).not.toBe(name)
  })

  test('rule 10: an offset beyond the end is OUT_OF_RANGE, a negative one too', async () => {
    const world = createWorld()
    const worker = await connectWorker(world.channel)
    const stream = world.execute(await world.action())
    const name = (await stream.next())?.metadata.stdoutStreamName ?? ''
    worker.finish((await worker.assigned()).leaseId ?? '')
    await stream.rest()
    expect((await errorOf(read(world, name, 1))).code).toBe(Code.OUT_OF_RANGE)
    expect((await errorOf(read(world, name, -1))).code).toBe(Code.OUT_OF_RANGE)
  })
})

test('rule 15: 100,000 digests in one FindMissingBlobs come through, and their answer back', async () => {
  const cas = await listen(openRemote().services, { address: '127.0.0.1:0' })
  const toCas = openDirectChannel(`grpc://${cas.address}`, { receiveBytesMax: digestsMessageBytesMax })
  const scheduler = await listen(forwardedServices(toCas, systemClock), { address: '127.0.0.1:0' })
  const client = openChannel(`grpc://${scheduler.address}`, { receiveBytesMax: 64 * 1024 * 1024 })
  try {
    const hash = (at: number) => at.toString(16).padStart(128, '0')
    const blobDigests = Array.from({ length: 100_000 }, (_, at) => ({ hash: hash(at), sizeBytes: at + 1 }))
    const request = re.FindMissingBlobsRequest.encode({ blobDigests, digestFunction: 6 }).finish()
    const answer = re.FindMissingBlobsResponse.decode(await client.unary(findMissing, request))
    expect(answer.missingBlobDigests.length).toBe(100_000)
  } finally {
    client.close()
    await scheduler.close()
    toCas.close()
    await cas.close()
  }
})
