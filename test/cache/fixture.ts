import { createHash, randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { type Cache, createCache } from '../../src/cache/services.ts'
import type { Recorder } from '../../src/client/recorder.ts'
import type { Clock } from '../../src/core/clock.ts'
import { type Digest, digestFunctions } from '../../src/core/digest.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import type { Evictions } from '../../src/store/evictions.ts'
import { createMemoryBlobs } from '../../src/store/memory/blobs.ts'
import { createMemoryResults } from '../../src/store/memory/results.ts'
import type { Results } from '../../src/store/results.ts'
import { verified } from '../../src/store/verified.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts'
import type { HttpHandler } from '../../src/wire/http.ts'
import { bytestream, re } from '../../src/wire/proto.ts'
import { type CallOptions, type Channel, Code, RpcError, type Service } from '../../src/wire/rpc.ts'
import { blobOf } from '../fixture/blob.ts'
import { memoryChannel } from '../fixture/memory-channel.ts'

export { blobOf } from '../fixture/blob.ts'

export const cas = 'build.bazel.remote.execution.v2.ContentAddressableStorage'
export const actions = 'build.bazel.remote.execution.v2.ActionCache'
export const streams = 'google.bytestream.ByteStream'

/** A clock that stands until it is moved. */
function handClock(): Clock & { move(ms: number): void } {
  let now = 0
  let timers: { at: number; callback: () => void }[] = []
  return {
    now: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, callback }
      timers.push(timer)
      return () => {
        timers = timers.filter((each) => each !== timer)
      }
    },
    move(ms) {
      now += ms
      const due = timers.filter((each) => each.at <= now)
      timers = timers.filter((each) => each.at > now)
      for (const each of due) each.callback()
    },
  }
}

export interface TestCache {
  readonly services: readonly Service[]
  readonly http: HttpHandler
  readonly holdings: Cache['holdings']
  readonly channel: Channel
  readonly blobs: Blobs
  readonly results: Results
  readonly metrics: Metrics
  readonly clock: ReturnType<typeof handClock>
}

export interface TestCacheOptions {
  readonly updateEnabled?: boolean
  readonly blobSizeMax?: number
  readonly capacity?: number
  readonly recorder?: Recorder
  readonly evictions?: Evictions
  /** Put between the cache and its store. */
  readonly decorate?: (blobs: Blobs) => Blobs
}

/** A cache over a fresh memory store, and a channel that runs its real handlers. */
export function openCache(options: TestCacheOptions = {}): TestCache {
  const memory = verified(createMemoryBlobs(options.capacity ?? 256 * 1024 * 1024))
  const blobs = options.decorate?.(memory) ?? memory
  const results = createMemoryResults(16 * 1024 * 1024)
  const metrics = createMetrics()
  const clock = handClock()
  const { services, http, holdings } = createCache({
    blobs,
    results,
    instances: new Set(['', 'main', 'a/b']),
    updateEnabled: options.updateEnabled ?? true,
    blobSizeMax: options.blobSizeMax ?? 0,
    recorder: options.recorder,
    evictions: options.evictions,
    log: createLog({ level: 'error', format: 'json', name: 'cache', destination: { write: () => undefined } }),
    metrics,
    clock,
  })
  return { services, http, holdings, channel: memoryChannel(services), blobs, results, metrics, clock }
}

/** A message type of the generated code. */
interface MessageType<Shape, Message> {
  encode(message: Shape): { finish(): Uint8Array }
  decode(bytes: Uint8Array): Message
}

/** Calls a unary method with a message. */
export async function call<Shape, Answer>(
  channel: Channel,
  method: string,
  type: MessageType<Shape, unknown>,
  request: Shape,
  answer: { decode(bytes: Uint8Array): Answer },
): Promise<Answer> {
  return answer.decode(await channel.unary(method, type.encode(request).finish()))
}

export function wire(digest: Digest): re.Digest.$Properties {
  return { hash: digest.hash, sizeBytes: digest.size }
}

export function findMissing(
  channel: Channel,
  digests: readonly Digest[],
  more: re.FindMissingBlobsRequest.$Properties = {},
): Promise<re.FindMissingBlobsResponse> {
  return call(
    channel,
    `${cas}/FindMissingBlobs`,
    re.FindMissingBlobsRequest,
    { blobDigests: digests.map(wire), ...more },
    re.FindMissingBlobsResponse,
  )
}

export function batchUpdate(
  channel: Channel,
  request: re.BatchUpdateBlobsRequest.$Properties,
): Promise<re.BatchUpdateBlobsResponse> {
  return call(channel, `${cas}/BatchUpdateBlobs`, re.BatchUpdateBlobsRequest, request, re.BatchUpdateBlobsResponse)
}

export function batchRead(
  channel: Channel,
  request: re.BatchReadBlobsRequest.$Properties,
): Promise<re.BatchReadBlobsResponse> {
  return call(channel, `${cas}/BatchReadBlobs`, re.BatchReadBlobsRequest, request, re.BatchReadBlobsResponse)
}

export interface ReadOptions extends CallOptions {
  readonly offset?: number
  readonly limit?: number
}

/** Reads a resource; the data of each message. */
export async function readPieces(channel: Channel, resourceName: string, options: ReadOptions = {}): Promise<Buffer[]> {
  const request = { resourceName, readOffset: options.offset ?? 0, readLimit: options.limit ?? 0 }
  const pieces: Buffer[] = []
  const encoded = bytestream.ReadRequest.encode(request).finish()
  for await (const message of channel.serverStream(`${streams}/Read`, encoded, options))
    pieces.push(Buffer.from(bytestream.ReadResponse.decode(message).data))
  return pieces
}

export async function readAll(channel: Channel, resourceName: string, options: ReadOptions = {}): Promise<Buffer> {
  return Buffer.concat(await readPieces(channel, resourceName, options))
}

/** Sends these messages as one Write; answers committed_size. */
export async function writeMessages(
  channel: Channel,
  messages: Iterable<bytestream.WriteRequest.$Properties> | AsyncIterable<bytestream.WriteRequest.$Properties>,
  options: CallOptions = {},
): Promise<number> {
  async function* encoded(): AsyncGenerator<Uint8Array> {
    for await (const message of messages) yield bytestream.WriteRequest.encode(message).finish()
  }
  const answer = await channel.clientStream(`${streams}/Write`, encoded(), options)
  return bytestream.WriteResponse.decode(answer).committedSize
}

/** The messages of an upload of these bytes, `chunk` bytes each. */
export function* writeRequests(
  resourceName: string,
  bytes: Uint8Array,
  chunk: number,
  offset = 0,
): Generator<bytestream.WriteRequest.$Properties> {
  for (let at = 0; at === 0 || at < bytes.length; at += chunk)
    yield {
      ...(at === 0 ? { resourceName } : {}),
      writeOffset: offset + at,
      data: bytes.subarray(at, at + chunk),
      finishWrite: at + chunk >= bytes.length,
    }
}

export async function queryWrite(
  channel: Channel,
  resourceName: string,
): Promise<{ committedSize: number; complete: boolean }> {
  const { committedSize, complete } = await call(
    channel,
    `${streams}/QueryWriteStatus`,
    bytestream.QueryWriteStatusRequest,
    { resourceName },
    bytestream.QueryWriteStatusResponse,
  )
  return { committedSize, complete }
}

export function uploadName({ fn, hash, size }: Digest, uuid: string = randomUUID(), compressed = false): string {
  const named = digestFunctions[fn].named ? `${fn}/` : ''
  return `uploads/${uuid}/${compressed ? 'compressed-blobs/zstd' : 'blobs'}/${named}${hash}/${size}`
}

export function blobName({ hash, size }: Digest, compressed = false): string {
  return `${compressed ? 'compressed-blobs/zstd' : 'blobs'}/${hash}/${size}`
}

/** Bytes that do not compress, the same each time. */
export function noise(length: number, seed = 1): Buffer {
  const blocks: Buffer[] = []
  for (let i = 0; i * 64 < length; i += 1) blocks.push(createHash('sha512').update(`${seed}/${i}`).digest())
  return Buffer.concat(blocks).subarray(0, length)
}

/** The RpcError that a call fails with. */
export async function failureOf(work: Promise<unknown>): Promise<RpcError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(RpcError)
  return error as RpcError
}

/** The name of the code that a call fails with. */
export async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  const { code } = await failureOf(work)
  return Object.entries(Code).find(([, value]) => value === code)?.[0]
}

/** Stores a Directory; its digest. */
export async function putDirectory(blobs: Blobs, directory: re.Directory.$Properties): Promise<Digest> {
  const { digest, bytes } = blobOf(re.Directory.encode(directory).finish())
  await blobs.put(digest, bytes)
  return digest
}
