import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { hostPortText, parseGrpcUrl } from '../core/address.ts'
import type { ChannelOptions } from './channel-options.ts'
import { openDirectChannel } from './direct.ts'
import { type CallOptions, type Channel, Code, type Messages, RpcError } from './rpc.ts'
import { answerError } from './trailers.ts'

const defaultReceiveBytesMax = 4 * 1024 * 1024
const keepaliveTimeoutMs = 20_000
const defaultWindowBytes = 4 * 1024 * 1024

/**
 * A channel over the network, with a connection of its own that is opened at the first call and reopened after it
 * breaks. A streaming call starts when its iteration does. If the source of a call's requests throws, the call is
 * cancelled and the error reaches the caller unchanged; all other errors are RpcErrors. With TLS it is a direct
 * channel, whose errors say what is wrong with a certificate.
 * @param url `grpc://host:port`, `grpcs://host:port`, `unix:/path`
 * @throws Failure 'invalid' for any other form of address
 */
export function openChannel(url: string, options: ChannelOptions = {}): Channel {
  const place = parseGrpcUrl(url)
  if (place.secure || 'path' in place) return openDirectChannel(url, options)
  const client = new Client(`dns:${hostPortText(place)}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': options.receiveBytesMax ?? defaultReceiveBytesMax,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': options.keepaliveMs ?? 60_000,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    'grpc-node.flow_control_window': options.windowBytes ?? defaultWindowBytes,
    'grpc.use_local_subchannel_pool': 1,
    // Our servers are at the given address: no web proxy, and no service config from DNS.
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
  })

  return {
    unary: (method, request, callOptions) =>
      settled(callOptions, (metadata, deadline, callback) =>
        client.makeUnaryRequest(path(method), encode, decode, request, metadata, deadline, callback),
      ),
    async clientStream(method, requests, callOptions) {
      let source: { error: unknown } | undefined
      try {
        return await settled(callOptions, (metadata, deadline, callback) => {
          const call = client.makeClientStreamRequest(path(method), encode, decode, metadata, deadline, callback)
          feed(call, requests).catch((error) => {
            source = { error }
            call.cancel()
          })
          return call
        })
      } catch (error) {
        throw source ? source.error : error
      }
    },
    async *serverStream(method, request, callOptions = {}): Messages {
      const call = client.makeServerStreamRequest(
        path(method),
        encode,
        decode,
        request,
        metadataOf(callOptions),
        deadlineOf(callOptions),
      )
      yield* replies(call, callOptions.signal)
    },
    async *bidi(method, requests, callOptions = {}): Messages {
      const call = client.makeBidiStreamRequest(
        path(method),
        encode,
        decode,
        metadataOf(callOptions),
        deadlineOf(callOptions),
      )
      let source: { error: unknown } | undefined
      feed(call, requests).catch((error) => {
        source = { error }
        call.cancel()
      })
      try {
        yield* replies(call, callOptions.signal)
      } catch (error) {
        throw source ? source.error : error
      }
    },
    close: () => client.close(),
  }
}

function path(method: string): string {
  return `/${method}`
}

function encode(message: Uint8Array): Buffer {
  return Buffer.isBuffer(message) ? message : Buffer.from(message.buffer, message.byteOffset, message.byteLength)
}

function decode(message: Buffer): Buffer {
  return message
}

function metadataOf({ metadata = {} }: CallOptions): Metadata {
  const result = new Metadata()
  for (const [name, value] of Object.entries(metadata))
    result.set(name, name.toLowerCase().endsWith('-bin') ? Buffer.from(value, 'base64') : value)
  return result
}

function deadlineOf({ timeoutMs }: CallOptions): { deadline?: number } {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs }
}

interface Cancellable {
  cancel(): void
}

type Answer = (error: ServiceError | null, value?: Buffer) => void

/** A call with a single response, as a promise. */
function settled(
  options: CallOptions = {},
  start: (metadata: Metadata, deadline: { deadline?: number }, callback: Answer) => Cancellable,
): Promise<Buffer> {
  const { signal } = options
  if (signal?.aborted) return Promise.reject(new RpcError(Code.CANCELLED, 'cancelled by the caller'))
  return new Promise((resolve, reject) => {
    const cancel = () => call.cancel()
    const call = start(metadataOf(options), deadlineOf(options), (error, value) => {
      signal?.removeEventListener('abort', cancel)
      if (error) reject(callError(error))
      else if (value) resolve(value)
      else reject(new RpcError(Code.INTERNAL, 'the call ended without a message'))
    })
    signal?.addEventListener('abort', cancel)
  })
}

interface ReplyStream extends Cancellable, AsyncIterable<Buffer> {
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** The messages of a stream; the call is cancelled if its reader leaves early. */
async function* replies(call: ReplyStream, signal: AbortSignal | undefined): Messages {
  const cancel = () => call.cancel()
  // The iteration below throws the error too; without a listener, an error after the reader has left would crash the
  // process.
  call.on('error', cancel)
  signal?.addEventListener('abort', cancel)
  if (signal?.aborted) cancel()
  try {
    yield* call
  } catch (error) {
    throw callError(error as ServiceError)
  } finally {
    signal?.removeEventListener('abort', cancel)
    cancel()
  }
}

interface RequestStream extends Cancellable {
  write(message: Uint8Array): boolean
  end(): unknown
  once(event: 'drain' | 'close' | 'status', listener: () => void): unknown
  off(event: 'drain' | 'close' | 'status', listener: () => void): unknown
}

/** Sends the requests as fast as the stream accepts them; stops when the call is over. */
async function feed(call: RequestStream, requests: AsyncIterable<Uint8Array>): Promise<void> {
  let over = false
  const ended = () => {
    over = true
  }
  call.once('status', ended)
  for await (const message of requests) {
    if (over) return
    if (call.write(message)) continue
    await new Promise<void>((resolve) => {
      const go = () => {
        call.off('drain', go)
        call.off('status', go)
        resolve()
      }
      call.once('drain', go)
      call.once('status', go)
    })
    if (over) return
  }
  call.end()
}

function callError({ code, details, metadata }: ServiceError): RpcError {
  const [packed] = metadata.get('grpc-status-details-bin')
  return answerError(code, details, Buffer.isBuffer(packed) ? packed : undefined)
}
