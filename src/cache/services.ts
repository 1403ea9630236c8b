import { createSharedGate } from '../core/gate.ts'
import { BufferPool } from '../wire/pool.ts'
import type { Call, Method, Service } from '../wire/rpc.ts'
import { getActionResult, updateActionResult } from './action-cache.ts'
import { batchReadBlobs } from './batch-read.ts'
import { batchUpdateBlobs } from './batch-update.ts'
import { getCapabilities } from './capabilities.ts'
import { counted, createCounts } from './counts.ts'
import { findMissingBlobs } from './find-missing.ts'
import { getTree } from './get-tree.ts'
import { read } from './read.ts'
import { createReferences } from './references.ts'
import type { CacheOptions, Room } from './room.ts'
import { spliceBlob } from './splice.ts'
import { createTurns } from './turns.ts'
import { createUploads, type Uploads } from './uploads.ts'
import { queryWriteStatus, write } from './write.ts'

/** Large blobs that are compressed at once, each with 1 to 2 MiB of state: for all clients, and for one connection. */
const compressorsMax = 128
const compressorsMaxEach = 16
/** What is kept of the memory that reads have used, for the next ones. */
const waitingMemoryMax = 8 * 1024 * 1024

/** The services of a cache: blobs, action results, streams of bytes, and what it can do. */
export function cacheServices({ metrics, ...options }: CacheOptions): readonly Service[] {
  const room: Room = {
    ...options,
    counts: createCounts(metrics),
    memory: new BufferPool(waitingMemoryMax),
    turns: createTurns(),
    compressors: createSharedGate(compressorsMax, compressorsMaxEach),
    decompressors: 0,
  }
  const uploads = createUploads(room)
  metrics.gauge('native_cache_uploads', 'Uploads in several messages, in progress or parked.', [], () => uploads.size)
  return [storage(room, uploads), actionCache(room), byteStream(room, uploads), capabilities(room)].map((service) =>
    counted(service, room.counts),
  )
}

function storage(room: Room, uploads: Uploads): Service {
  return {
    name: 'build.bazel.remote.execution.v2.ContentAddressableStorage',
    methods: {
      FindMissingBlobs: borrowing((request) => findMissingBlobs(room, request)),
      BatchUpdateBlobs: borrowing((request) => batchUpdateBlobs(room, uploads, request)),
      BatchReadBlobs: unary((request, call) => batchReadBlobs(room, request, call)),
      SpliceBlob: unary((request) => spliceBlob(room, request)),
      GetTree: { kind: 'server-stream', handle: (request, call, send) => getTree(room, request, call, send) },
    },
  }
}

function actionCache(room: Room): Service {
  const references = createReferences(room.blobs)
  return {
    name: 'build.bazel.remote.execution.v2.ActionCache',
    methods: {
      GetActionResult: unary((request) => getActionResult(room, references, request)),
      UpdateActionResult: unary((request) => updateActionResult(room, references, request)),
    },
  }
}

function byteStream(room: Room, uploads: Uploads): Service {
  return {
    name: 'google.bytestream.ByteStream',
    methods: {
      Read: { kind: 'server-stream', handle: (request, call, send) => read(room, request, call, send) },
      Write: { kind: 'client-stream', borrows: true, handle: (requests) => write(room, uploads, requests) },
      QueryWriteStatus: unary((request) => queryWriteStatus(room, uploads, request)),
    },
  }
}

function capabilities(room: Room): Service {
  return {
    name: 'build.bazel.remote.execution.v2.Capabilities',
    methods: { GetCapabilities: getCapabilities(room) },
  }
}

function unary(handle: (request: Buffer, call: Call) => Promise<Uint8Array>): Method {
  return { kind: 'unary', handle }
}

/**
 * One whose messages are large. It keeps nothing of them: digests are read into texts of their
 * own, and a store has copied a blob when its `put` or `write` settles.
 */
function borrowing(handle: (request: Buffer) => Promise<Uint8Array>): Method {
  return { kind: 'unary', borrows: true, handle }
}
