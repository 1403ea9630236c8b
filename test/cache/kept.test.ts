import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { createCache } from '../../src/cache/services.ts'
import { requestMetadata } from '../../src/client/request-metadata.ts'
import type { Digest } from '../../src/core/digest.ts'
import { buildStores, type Stores } from '../../src/store/build.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { openChannel } from '../../src/wire/channel.ts'
import { re } from '../../src/wire/proto.ts'
import { type Channel, Code, type RpcServer } from '../../src/wire/rpc.ts'
import { listen } from '../../src/wire/server.ts'
import { type Blob, seededBlob } from '../fixture/blob.ts'
import { type DiskFolder, diskFolder } from '../fixture/disk.ts'
import { type ManualClock, manualClock } from '../fixture/manual-clock.ts'
import { quietLog } from '../fixture/quiet-log.ts'
import { actions, blobName, cas, readAll, uploadName, wire, writeMessages, writeRequests } from './fixture.ts'

const silenceMs = 10 * 60_000
const megabyte = 1_000_000

/** A cache on disk behind a real socket. */
interface Served {
  readonly clock: ManualClock
  readonly stores: Stores
  /** A client with a connection of its own that names an invocation, or none; on this host, or on another. */
  client(invocation?: string, host?: 'this' | 'other'): Client
}

let folder: DiskFolder | undefined
let stores: Stores | undefined
let server: RpcServer | undefined
const channels: Channel[] = []

afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close()
  await server?.close()
  await stores?.close()
  folder?.remove()
})

async function serve(bytesMax: number): Promise<Served> {
  folder = diskFolder(bytesMax)
  const clock = manualClock()
  const around = { log: quietLog, metrics: createMetrics(), clock }
  const store = { kind: 'disk', path: folder.path, size: bytesMax, durability: 'process' } as const
  const opened = await buildStores(store, around, silenceMs)
  stores = opened
  const cache = createCache({ ...opened, ...around, instances: new Set(['']), updateEnabled: true, blobSizeMax: 0 })
  const listening = await listen(cache.services, { address: '127.0.0.1:0' })
  server = listening
  const other = await relayFrom('127.0.0.2', Number(new URL(`tcp://${listening.address}`).port))
  return {
    clock,
    stores: opened,
    client(invocation, host = 'this') {
      const channel = openChannel(`grpc://${host === 'this' ? listening.address : other}`)
      channels.push(channel)
      return clientOf(channel, invocation)
    },
  }
}

/** A place whose connections reach a server of this host as from that address. @returns HOST:PORT */
async function relayFrom(localAddress: string, port: number): Promise<string> {
  const relay = createServer((near) => {
    const far = connect({ host: '127.0.0.1', port, localAddress })
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
    near.pipe(far).pipe(near)
  })
  await once(relay.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void relay.close())
  return `127.0.0.1:${(relay.address() as AddressInfo).port}`
}

/** What a build asks a cache for. */
interface Client {
  /** The code of each blob's status. */
  upload(blobs: readonly Blob[]): Promise<readonly Code[]>
  write(blob: Blob): Promise<number>
  missing(digests: readonly Digest[]): Promise<number>
  update(action: Digest, outputs: readonly Digest[]): Promise<unknown>
  result(action: Digest): Promise<unknown>
  /** How many chunks it is cut into, by that function. */
  split(blob: Digest, chunkingFunction?: number): Promise<number>
  read(blob: Digest): Promise<Buffer>
  readInBatch(blob: Digest): Promise<Buffer>
}

function clientOf(channel: Channel, invocation: string | undefined): Client {
  const options = invocation === undefined ? {} : { metadata: requestMetadata({ tool: 'bazel', invocation }) }
  const call = (method: string, request: Uint8Array) => channel.unary(method, request, options)
  return {
    async upload(blobs) {
      const requests = blobs.map(({ digest, bytes }) => ({ digest: wire(digest), data: bytes }))
      const request = re.BatchUpdateBlobsRequest.encode({ requests }).finish()
      const { responses } = re.BatchUpdateBlobsResponse.decode(await call(`${cas}/BatchUpdateBlobs`, request))
      return responses.map(({ status }) => (status?.code ?? Code.OK) as Code)
    },
    write: ({ digest, bytes }) => writeMessages(channel, writeRequests(uploadName(digest), bytes, 256 * 1024), options),
    async missing(digests) {
      const request = re.FindMissingBlobsRequest.encode({ blobDigests: digests.map(wire) }).finish()
      const answer = re.FindMissingBlobsResponse.decode(await call(`${cas}/FindMissingBlobs`, request))
      return answer.missingBlobDigests.length
    },
    update(action, outputs) {
      const actionResult = { outputFiles: outputs.map((digest, at) => ({ path: `out/${at}`, digest: wire(digest) })) }
      const request = re.UpdateActionResultRequest.encode({ actionDigest: wire(action), actionResult }).finish()
      return call(`${actions}/UpdateActionResult`, request)
    },
    async split(blob, chunkingFunction = re.ChunkingFunction.Value.UNKNOWN) {
      const request = re.SplitBlobRequest.encode({ blobDigest: wire(blob), chunkingFunction }).finish()
      return re.SplitBlobResponse.decode(await call(`${cas}/SplitBlob`, request)).chunkDigests.length
    },
    read: (blob) => readAll(channel, blobName(blob), options),
    async readInBatch(blob) {
      const request = re.BatchReadBlobsRequest.encode({ digests: [wire(blob)] }).finish()
      const { responses } = re.BatchReadBlobsResponse.decode(await call(`${cas}/BatchReadBlobs`, request))
      return Buffer.from(responses[0]?.data ?? [])
    },
    result: (action) =>
      call(`${actions}/GetActionResult`, re.GetActionResultRequest.encode({ actionDigest: wire(action) }).finish()),
  }
}

function blobsOf(count: number, size: number, seed: number): Blob[] {
  return Array.from({ length: count }, (_, at) => seededBlob(seed + at, size))
}

function* batches(blobs: readonly Blob[], count: number): Generator<readonly Blob[]> {
  for (let at = 0; at < blobs.length; at += count) yield blobs.slice(at, at + count)
}

const digestsOf = (blobs: readonly Blob[]) => blobs.map(({ digest }) => digest)

/** Uploads all, a batch of 3 MB at a time; how many were refused for lack of room. */
async function uploadAll(client: Client, blobs: readonly Blob[], size: number): Promise<number> {
  let refused = 0
  for (const batch of batches(blobs, Math.floor((3 * megabyte) / size)))
    for (const code of await client.upload(batch)) {
      expect([Code.OK, Code.RESOURCE_EXHAUSTED]).toContain(code)
      if (code !== Code.OK) refused += 1
    }
  return refused
}

describe('a cache of 200 MB, and a build without the bytes of 150 MB beside a flood of fresh uploads', () => {
  test.each([
    { what: 'small blobs, beside a flood that names no invocation', size: 100_000, flood: [undefined] },
    { what: 'large blobs, beside a flood that names no invocation', size: 1_500_000, flood: [undefined] },
    { what: 'small blobs, beside another build', size: 100_000, flood: ['flood'] },
    { what: 'small blobs, beside a flood with an invocation for each call', size: 100_000, flood: undefined },
  ])('$what: not one lost input', { timeout: 120_000 }, async ({ size, flood }) => {
    const { client, stores: held } = await serve(200 * megabyte)
    const build = client('build')
    const inputs = blobsOf((150 * megabyte) / size, size, 1)
    expect(await uploadAll(build, inputs, size)).toBe(0)
    const flooding = Array.from({ length: 50 }, (_, at) => (flood ? flood[0] : `flood ${at}`))
    // The build goes on, but looks at a tenth of its inputs each time only: the others it was told of once.
    for (const [at, invocation] of flooding.entries()) {
      await uploadAll(client(invocation), blobsOf(30, 100_000, 1_000_000 + at * 100), 100_000)
      const some = inputs.filter((_, place) => place % 100 === at % 10)
      expect(await build.missing(digestsOf(some))).toBe(0)
    }
    expect(await build.missing(digestsOf(inputs))).toBe(0)
    // Uploads without an invocation go through the room that is left; those with one are kept as far as there is room.
    if (flood?.[0] === undefined && flood) expect(held.evictions?.count).toBeGreaterThan(1000)
    else expect(held.pins?.refused).toBeGreaterThan(0)
  })
})

/** Small enough that a flood goes through it in no time. */
const small = 20 * megabyte

/** Enough to evict whatever is not kept, and used lately or not. */
async function flood(client: Client): Promise<void> {
  expect(await uploadAll(client, blobsOf(400, 100_000, 5_000_000), 100_000)).toBe(0)
}

describe('what a build was told or brought is kept', () => {
  test('what it was told is present, whoever brought it', async () => {
    const { client } = await serve(small)
    const blobs = blobsOf(50, 100_000, 1)
    await uploadAll(client(), blobs, 100_000)
    expect(await client('build').missing(digestsOf(blobs))).toBe(0)
    await flood(client())
    expect(await client().missing(digestsOf(blobs))).toBe(0)
  })

  test('what a result refers to that it was given', async () => {
    const { client } = await serve(small)
    const outputs = blobsOf(50, 100_000, 1)
    const { digest: action } = seededBlob(9, 100)
    await uploadAll(client(), outputs, 100_000)
    await client().update(action, digestsOf(outputs))
    await client('build').result(action)
    await flood(client())
    expect(await client().missing(digestsOf(outputs))).toBe(0)
  })

  test('what it uploaded in pieces, and after it has been cut into chunks', async () => {
    const { client } = await serve(small)
    const blob = seededBlob(1, 5 * megabyte)
    expect(await client('build').write(blob)).toBe(blob.digest.size)
    await flood(client())
    expect(await client().missing([blob.digest])).toBe(0)
    expect(await client().split(blob.digest)).toBeGreaterThan(2)
    await flood(client())
    expect(await client().missing([blob.digest])).toBe(0)
  })

  test('what it uploaded, after others have had it cut by one function and by another', async () => {
    const { client } = await serve(small)
    const { FAST_CDC_2020, REP_MAX_CDC } = re.ChunkingFunction.Value
    const blob = seededBlob(1, 5 * megabyte)
    await client('build').write(blob)
    for (const each of [FAST_CDC_2020, REP_MAX_CDC]) expect(await client().split(blob.digest, each)).toBeGreaterThan(2)
    await flood(client())
    expect(await client().missing([blob.digest])).toBe(0)
  })

  test.each([
    { how: 'whole', by: 'read' },
    { how: 'in chunks', by: 'read' },
    { how: 'whole', by: 'readInBatch' },
    { how: 'in chunks', by: 'readInBatch' },
  ] as const)('what it read of a blob that is stored $how: $by', async ({ how, by }) => {
    const { client } = await serve(small)
    const blob = seededBlob(1, 3 * megabyte)
    await client().write(blob)
    if (how === 'in chunks') expect(await client().split(blob.digest)).toBeGreaterThan(1)
    expect((await client('build')[by](blob.digest)).equals(blob.bytes)).toBe(true)
    await flood(client())
    expect(await client().missing([blob.digest])).toBe(0)
  })

  test.each([50, 500])('until it has been silent for ten minutes: %i blobs', async (count) => {
    const { client, clock, stores: held } = await serve(small)
    const blobs = blobsOf(count, (5 * megabyte) / count, 1)
    await uploadAll(client('build'), blobs, 100_000)
    clock.advance(silenceMs)
    await flood(client())
    expect(held.pins?.live()).toMatchObject([{ invocation: 'build', client: '127.0.0.1', values: count }])
    clock.advance(1)
    await flood(client())
    expect(held.pins?.live()).toEqual([])
    expect(held.pins?.bytes).toBe(0)
    expect(await client().missing(digestsOf(blobs))).toBeGreaterThan(0)
  })
})

describe('where what is kept leaves no room', () => {
  test('uploads are refused, and told why; what is there can be used', async () => {
    const { client, clock, stores: held } = await serve(small)
    await uploadAll(client(), blobsOf(10, 100_000, 7_000_000), 100_000)
    const refused = await uploadAll(client('first'), blobsOf(200, 100_000, 1), 100_000)
    expect(refused).toBeGreaterThan(20)
    expect(held.pins?.bytes).toBeLessThanOrEqual(held.pins?.bytesMax ?? 0)
    expect(held.pins?.bytes).toBeGreaterThan(0.7 * small)
    const second = client('second')
    await expect(second.write(seededBlob(3, 3 * megabyte))).rejects.toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      message: expect.stringMatching(
        /^there is no room for 3000000 bytes: 1\d MiB of the cache are kept for 2 builds that are running/,
      ),
    })
    // One without an invocation needs no more than room that nothing is kept in.
    expect(await client().upload(blobsOf(10, 100_000, 8_000_000))).toEqual(Array(10).fill(Code.OK))
    await expect(client().write(seededBlob(3, 8 * megabyte))).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED })
    // The first build is over: a new one of its client has the room.
    clock.advance(silenceMs / 5)
    expect(await uploadAll(second, blobsOf(100, 100_000, 9_000_000), 100_000)).toBe(0)
  })

  test('a client that names an invocation with each call locks out no other', async () => {
    const { client, clock, stores: held } = await serve(small)
    const fresh = { at: 1_000_000 }
    const lie = async () => {
      fresh.at += 100
      return client(`lie ${fresh.at}`, 'other').upload(blobsOf(20, 100_000, fresh.at))
    }
    for (let call = 0; call < 12; call += 1) await lie()
    expect(await lie()).toContain(Code.RESOURCE_EXHAUSTED)
    clock.advance(1_000)
    const build = client('build')
    const inputs = blobsOf(70, 100_000, 1)
    for (const batch of batches(inputs, 10)) {
      expect(await build.upload(batch)).toEqual(Array(batch.length).fill(Code.OK))
      await lie()
    }
    for (let call = 0; call < 12; call += 1) {
      clock.advance(1_000)
      await lie()
    }
    expect(await build.missing(digestsOf(inputs))).toBe(0)
    expect(held.pins?.live().length).toBeLessThanOrEqual(17)
  })
})
