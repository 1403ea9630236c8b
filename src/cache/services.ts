import type { Method, Service } from '../wire/rpc.ts'
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
import { createUploads, type Uploads } from './uploads.ts'
import { queryWriteStatus, write } from './write.ts'

/** The services of a cache: blobs, action results, streams of bytes, and what it can do. */
export function cacheServices({ metrics, ...options }: CacheOptions): readonly Service[] {
  const room: Room = { ...options, counts: createCounts(metrics) }
  const uploads = createUploads(room)
  metrics.gauge('native_cache_uploads', 'Uploads in several messages, in progress or parked.', [], () => uploads.size)
  return [storage(room), actionCache(room), byteStream(room, uploads), capabilities(room)].map((service) =>
    counted(service, room.counts),
  )
}

function storage(room: Room): Service {
  return {
    name: 'build.bazel.remote.execution.v2.ContentAddressableStorage',
    methods: {
      FindMissingBlobs: unary((request) => findMissingBlobs(room, request)),
      BatchUpdateBlobs: unary((request) => batchUpdateBlobs(room, request)),
      BatchReadBlobs: unary((request) => batchReadBlobs(room, request)),
      SpliceBlob: unary((request) => spliceBlob(room, request)),
      GetTree: { kind: 'server-stream', handle: (request, _call, send) => getTree(room, request, send) },
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
      Read: { kind: 'server-stream', handle: (request, _call, send) => read(room, request, send) },
      Write: { kind: 'client-stream', handle: (requests) => write(room, uploads, requests) },
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

function unary(handle: (request: Buffer) => Promise<Uint8Array>): Method {
  return { kind: 'unary', handle }
}
