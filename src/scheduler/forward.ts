import type { Clock } from '../core/clock.ts'
import { digestsMessageBytesMax } from '../core/limits.ts'
import { createSharedSemaphore, type SharedSemaphore } from '../core/semaphore.ts'
import { type Call, type CallOptions, type Channel, Code, type Method, RpcError, type Service } from '../wire/rpc.ts'

/** Specific to each connection, so not forwarded. */
const ownHeaders: ReadonlySet<string> = new Set([
  'content-type',
  'content-length',
  'te',
  'user-agent',
  'host',
  'connection',
])

/** The kind of a forwarded method, by the shape of its streams; a method that lists blobs has large requests. */
type Kind = 'unary' | 'listing' | 'server-stream' | 'client-stream'

const cache: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  'build.bazel.remote.execution.v2.ContentAddressableStorage': {
    FindMissingBlobs: 'listing',
    BatchUpdateBlobs: 'listing',
    BatchReadBlobs: 'listing',
    GetTree: 'server-stream',
    SplitBlob: 'unary',
    SpliceBlob: 'unary',
  },
  'build.bazel.remote.execution.v2.ActionCache': { GetActionResult: 'unary', UpdateActionResult: 'unary' },
  'google.bytestream.ByteStream': { Read: 'server-stream', Write: 'client-stream', QueryWriteStatus: 'unary' },
  'build.bazel.remote.asset.v1.Fetch': { FetchBlob: 'unary', FetchDirectory: 'unary' },
  'build.bazel.remote.asset.v1.Push': { PushBlob: 'unary', PushDirectory: 'unary' },
}

/**
 * How many streamed answers are forwarded at once, in all and per connection. They share one connection to the CAS:
 * even if nobody reads them, this many leave it enough room for the other calls (about 256 KiB wait at the CAS for
 * each).
 */
const streamsMax = 192
const streamsMaxEach = 32

/**
 * The cache's services on this server, for clients that know one address: each message goes to the CAS and back as raw
 * bytes, with metadata, deadline, cancellation and back-pressure. Statuses come back with their details.
 */
export function forwardedServices(cas: Channel, clock: Clock): Service[] {
  const streams = createSharedSemaphore(streamsMax, streamsMaxEach)
  return Object.entries(cache).map(([name, methods]) => ({
    name,
    methods: Object.fromEntries(
      Object.entries(methods).map(([method, kind]) => [method, forwarded(cas, kind, clock, streams)]),
    ),
  }))
}

function forwarded(cas: Channel, kind: Kind, clock: Clock, streams: SharedSemaphore): Method {
  switch (kind) {
    case 'unary':
      return { kind, handle: (request, call) => cas.unary(call.method, request, carried(call, clock)) }
    case 'listing':
      return { ...forwarded(cas, 'unary', clock, streams), requestBytesMax: digestsMessageBytesMax }
    case 'client-stream':
      return { kind, handle: (requests, call) => cas.clientStream(call.method, requests, carried(call, clock)) }
    case 'server-stream':
      return {
        kind,
        handle: (request, call, send) =>
          streams(call.peer, async () => {
            if (call.signal.aborted) return
            for await (const answer of cas.serverStream(call.method, request, carried(call, clock))) await send(answer)
          }),
      }
  }
}

/**
 * What the forwarded call takes over from the incoming one.
 * @throws RpcError DEADLINE_EXCEEDED when there is no time left
 */
function carried(call: Call, clock: Clock): CallOptions {
  const metadata = Object.fromEntries(
    [...call.metadata].filter(([name]) => !ownHeaders.has(name) && !name.startsWith('grpc-') && !name.startsWith(':')),
  )
  const { vouched } = call
  if (vouched !== undefined) metadata['authorization'] = vouched
  if (call.deadline === undefined) return { metadata, signal: call.signal }
  const timeoutMs = call.deadline - clock.now()
  if (timeoutMs <= 0)
    throw new RpcError(Code.DEADLINE_EXCEEDED, 'the deadline had passed before the call was forwarded')
  return { metadata, signal: call.signal, timeoutMs }
}
