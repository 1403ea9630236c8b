import { digestsMessageBytesMax } from '../core/limits.ts'
import { createSharedSemaphore } from '../core/semaphore.ts'
import { chunked } from '../store/chunks/chunked.ts'
import type { Chunking } from '../store/chunks/functions.ts'
import type { Operation } from '../wire/door.ts'
import type { Exchange, HttpHandler } from '../wire/http.ts'
import { BufferPool } from '../wire/pool.ts'
import type { Call, Method, Service } from '../wire/rpc.ts'
import { getActionResult, updateActionResult } from './action-cache.ts'
import { batchReadBlobs } from './batch-read.ts'
import { batchUpdateBlobs } from './batch-update.ts'
import { getCapabilities } from './capabilities.ts'
import type { CacheContext, CacheOptions } from './context.ts'
import { counted, createCounts } from './counts.ts'
import { findMissingBlobs } from './find-missing.ts'
import { getTree } from './get-tree.ts'
import { createHoldings } from './holdings.ts'
import { httpHandler } from './http/handler.ts'
import { createObjects } from './http/objects.ts'
import { operationOf } from './http/operation.ts'
import { read } from './read.ts'
import { createReads } from './reads.ts'
import { createReferences, type References } from './references.ts'
import { spliceBlob } from './splice.ts'
import { splitBlob } from './split.ts'
import { createUploads, type Uploads } from './uploads.ts'
import { queryWriteStatus, write } from './write.ts'

/** Large blobs that are compressed at once, each with 1 to 2 MiB of state: for all clients, and for one connection. */
const compressorsMax = 128
const compressorsMaxEach = 16
/** Results that are read at once, each of up to a message's size: for all clients, and for one connection. */
const resultReadsMax = 64
const resultReadsMaxEach = 32
/** What the API recommends, and the only average that all versions of Bazel keep to. */
const defaultChunking: Chunking = {
  fastCdc: { averageBytes: 512 * 1024, seed: 0 },
  repMaxCdc: { minBytes: 256 * 1024, horizonBytes: 2 * 1024 * 1024 },
}
/** What is kept of the memory that reads have used, for the next ones. */
const waitingMemoryMax = 8 * 1024 * 1024

/** A cache as its clients see it. */
export interface Cache {
  /** Blobs, action results, streams of bytes, and what it can do: the Remote Execution API. */
  readonly services: readonly Service[]
  /** The same store for tools that speak HTTP/1.1. */
  readonly http: HttpHandler
  /** The same store for services beside these. */
  readonly holdings: ReturnType<typeof createHoldings>
  /** What a request of HTTP asks for. */
  readonly operationOf: (exchange: Exchange) => Operation | undefined
}

export function createCache({ metrics, chunking = defaultChunking, ...options }: CacheOptions): Cache {
  const context: CacheContext = {
    ...options,
    blobs: chunked(options.blobs, options.results, chunking, metrics, options.pins),
    counts: createCounts(metrics, options.clock),
    memory: new BufferPool(waitingMemoryMax),
    compressors: createSharedSemaphore(compressorsMax, compressorsMaxEach),
    compressorsAwaited: 0,
    decompressors: 0,
    resultReads: createSharedSemaphore(resultReadsMax, resultReadsMaxEach),
    reads: createReads(options.clock),
  }
  const uploads = createUploads({ ...context, endStalled: context.reads.endStalled })
  metrics.gauge('native_cache_uploads', 'Uploads in several messages, in progress or parked.', [], () => uploads.size)
  const references = createReferences(context.blobs)
  const services = [
    storage(context, uploads),
    actionCache(context, references),
    byteStream(context, uploads),
    capabilities(context),
  ].map((service) => counted(service, context.counts))
  return {
    services,
    http: httpHandler({ context, uploads, references, objects: createObjects(context) }),
    operationOf,
    holdings: createHoldings(context, uploads, references),
  }
}

function storage(context: CacheContext, uploads: Uploads): Service {
  return {
    name: 'build.bazel.remote.execution.v2.ContentAddressableStorage',
    methods: {
      FindMissingBlobs: listing((request, call) => findMissingBlobs(context, request, call)),
      BatchUpdateBlobs: listing((request, call) => batchUpdateBlobs(context, uploads, request, call)),
      BatchReadBlobs: listing((request, call) => batchReadBlobs(context, request, call)),
      SplitBlob: unary((request, call) => splitBlob(context, request, call)),
      SpliceBlob: unary((request, call) => spliceBlob(context, request, call)),
      GetTree: { kind: 'server-stream', handle: (request, call, send) => getTree(context, request, call, send) },
    },
  }
}

function actionCache(context: CacheContext, references: References): Service {
  return {
    name: 'build.bazel.remote.execution.v2.ActionCache',
    methods: {
      GetActionResult: unary((request, call) => getActionResult(context, references, request, call)),
      UpdateActionResult: unary((request, call) => updateActionResult(context, references, request, call)),
    },
  }
}

function byteStream(context: CacheContext, uploads: Uploads): Service {
  return {
    name: 'google.bytestream.ByteStream',
    methods: {
      Read: { kind: 'server-stream', handle: (request, call, send) => read(context, request, call, send) },
      Write: {
        kind: 'client-stream',
        borrows: true,
        handle: (requests, call) => write(context, uploads, requests, call),
      },
      QueryWriteStatus: unary((request, call) => queryWriteStatus(context, uploads, request, call)),
    },
  }
}

function capabilities(context: CacheContext): Service {
  return {
    name: 'build.bazel.remote.execution.v2.Capabilities',
    methods: { GetCapabilities: getCapabilities(context) },
  }
}

function unary(handle: (request: Buffer, call: Call) => Promise<Uint8Array>): Method {
  return { kind: 'unary', handle }
}

/**
 * One whose messages are large, since they name many blobs. It keeps nothing of them: digests are
 * read into texts of their own, and a store has copied a blob when its `put` or `write` settles.
 */
function listing(handle: (request: Buffer, call: Call) => Promise<Uint8Array>): Method {
  return { kind: 'unary', borrows: true, requestBytesMax: digestsMessageBytesMax, handle }
}
