import { hostPortText, parseGrpcUrl } from '../core/address.ts'
import { createCallHeaders } from './call-headers.ts'
import type { ChannelOptions } from './channel-options.ts'
import { type Caller, DirectCall } from './direct-call.ts'
import type { FrameLimits } from './frames.ts'
import { ClientSession } from './http2/client-session.ts'
import { Ledger } from './ledger.ts'
import { MessageQueue } from './queue.ts'
import { type CallOptions, type Channel, Code, type Messages, RpcError } from './rpc.ts'

const defaultReceiveBytesMax = 4 * 1024 * 1024
const defaultWindowBytes = 4 * 1024 * 1024
const defaultKeepaliveMs = 60_000
/** Memory for incomplete answers of all calls together: half of this, since a ledger reserves as much for others. */
const reassemblyBytesMax = 2 * 1024 * 1024 * 1024
const reassembly = {
  bytesMax: reassemblyBytesMax,
  clientBytesMax: reassemblyBytesMax,
  connectionBytesMax: reassemblyBytesMax,
}
/** Answer bytes waiting for their reader: the server is held back above the first, until they fall below the second. */
const queueBytesMax = 256 * 1024
const queueBytesLow = 64 * 1024

/**
 * A channel over the network on our own HTTP/2, for servers that call servers: it does what openChannel does for a
 * fraction of the work, without proxy support.
 * @param url `grpc://host:port`, `grpcs://host:port`
 * @throws Failure 'invalid' for any other form of address
 */
export function openDirectChannel(url: string, options: ChannelOptions = {}): Channel {
  const place = parseGrpcUrl(url)
  const address = 'path' in place ? 'localhost' : hostPortText(place)
  const target = {
    place,
    tls: options.tls,
    windowBytes: options.windowBytes ?? defaultWindowBytes,
    keepaliveMs: options.keepaliveMs ?? defaultKeepaliveMs,
  }
  const limits: FrameLimits = {
    bytesMax: options.receiveBytesMax ?? defaultReceiveBytesMax,
    gzip: false,
    memory: new Ledger(reassembly).open(address),
    pool: undefined,
  }
  const headers = createCallHeaders(address, place.secure)
  const sessions = new Set<ClientSession>()
  let session: ClientSession | undefined
  let closed = false

  function current(): ClientSession {
    if (closed) throw new RpcError(Code.UNAVAILABLE, 'the channel is closed')
    if (session?.usable) return session
    session?.retire()
    const fresh = new ClientSession(target, () => sessions.delete(fresh))
    sessions.add(fresh)
    session = fresh
    return fresh
  }

  function start(method: string, callOptions: CallOptions, caller: Caller): DirectCall {
    if (callOptions.signal?.aborted) throw new RpcError(Code.CANCELLED, 'cancelled by the caller')
    const block = headers(method, callOptions)
    return new DirectCall(current(), block, limits, callOptions, caller)
  }

  return {
    unary: (method, request, callOptions = {}) => settled(start, method, callOptions, (call) => call.sendOnly(request)),
    serverStream: (method, request, callOptions = {}) =>
      streamed(start, method, callOptions, (call) => call.sendOnly(request)),
    async clientStream(method, requests, callOptions = {}) {
      const source: Source = {}
      try {
        return await settled(start, method, callOptions, (call) => feed(call, requests, source))
      } catch (error) {
        throw 'error' in source ? source.error : error
      }
    },
    async *bidi(method, requests, callOptions = {}) {
      const source: Source = {}
      try {
        yield* streamed(start, method, callOptions, (call) => feed(call, requests, source))
      } catch (error) {
        throw 'error' in source ? source.error : error
      }
    },
    close() {
      closed = true
      for (const each of sessions) each.destroy(new RpcError(Code.UNAVAILABLE, 'the channel was closed'))
    },
  }
}

/** Begins a call. @throws RpcError UNAVAILABLE if the channel is closed, CANCELLED if the signal is aborted */
type Start = (method: string, options: CallOptions, caller: Caller) => DirectCall
type SendRequest = (call: DirectCall) => void

/** A call with a single response. */
async function settled(start: Start, method: string, options: CallOptions, send: SendRequest): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const answers: Buffer[] = []
  const call = start(method, options, {
    message(message) {
      if (answers.push(message) > 1)
        call.cancel(new RpcError(Code.INTERNAL, 'more than one message where exactly one is expected'))
    },
    ended(error) {
      const [answer] = answers
      if (error) reject(error)
      else if (answer) resolve(answer)
      else reject(new RpcError(Code.INTERNAL, 'the call ended without a message'))
    },
  })
  send(call)
  return promise
}

/** A call with a response stream; it is cancelled if the reader leaves early. */
async function* streamed(start: Start, method: string, options: CallOptions, send: SendRequest): Messages {
  let paused = false
  const queue = new MessageQueue({
    taken() {
      if (!paused || queue.bytes > queueBytesLow) return
      paused = false
      call.resume()
    },
    left: () => call.cancel(new RpcError(Code.CANCELLED, 'the caller has stopped reading')),
  })
  const call = start(method, options, {
    message(message) {
      queue.push(message)
      if (paused || queue.bytes < queueBytesMax) return
      paused = true
      call.pause()
    },
    ended: (error) => (error && options.signal?.aborted ? queue.fail(error) : queue.end(error)),
  })
  send(call)
  yield* queue
}

/** What the source of requests threw, if anything. */
interface Source {
  error?: unknown
}

/** Sends the requests as fast as the stream accepts them; stops when the call is over. */
function feed(call: DirectCall, requests: AsyncIterable<Uint8Array>, source: Source): void {
  const pump = async () => {
    for await (const message of requests) {
      if (call.over) return
      await call.send(message)
      if (call.over) return
    }
    call.endRequests()
  }
  pump().catch((error: unknown) => {
    if (call.over) return
    source.error = error
    call.cancel(new RpcError(Code.CANCELLED, 'the source of the requests failed', [], error))
  })
}
