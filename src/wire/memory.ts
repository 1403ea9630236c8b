import { type Clock, systemClock } from '../core/clock.ts'
import { messageBytesMax } from '../core/limits.ts'
import { createCall, type MemoryCall, type Requests } from './memory-call.ts'
import { methodTable } from './methods.ts'
import type { MessageQueue } from './queue.ts'
import {
  type Call,
  type CallOptions,
  type Channel,
  Code,
  type Messages,
  type Method,
  RpcError,
  type Send,
  type Service,
} from './rpc.ts'
import { toRpcError } from './status.ts'

export interface MemoryOptions {
  /** Measures deadlines. */
  readonly clock?: Clock
  /** The caller as reported to handlers. */
  readonly peer?: string
  /** The largest message in bytes, either way. */
  readonly bytesMax?: number
}

/**
 * A channel to services in the same process: no sockets, but the real handlers, with the same deadlines, cancellation,
 * back-pressure and message limit (4 MiB each way) as over a network. As there, only an error's code, message and
 * details get across.
 */
export function memoryChannel(
  services: readonly Service[],
  { clock = systemClock, peer = 'memory', bytesMax = messageBytesMax }: MemoryOptions = {},
): Channel {
  const methods = methodTable(services)
  const running = new Set<MemoryCall>()
  let closed = false

  function start(name: string, requests: Requests, options: CallOptions = {}): MessageQueue {
    const method = methods.get(name)
    const call = createCall(name, options, { clock, peer, bytesMax }, () => running.delete(call))
    running.add(call)
    if (options.signal?.aborted) call.cut(new RpcError(Code.CANCELLED, 'cancelled by the caller'))
    else if (closed) call.cut(channelClosed())
    else if (!method) call.cut(new RpcError(Code.UNIMPLEMENTED, `unknown method ${name}`))
    else {
      const borrows = isStream(method) && method.borrows === true
      const messages = call.receive(requests, borrows, method.requestBytesMax ?? bytesMax)
      handle(method, messages, call.facts, call.send)
        .finally(() => messages.release())
        .then(
          () => call.complete(),
          (error) => call.complete(overTheWire(error)),
        )
    }
    return call.replies
  }

  return {
    unary: (name, request, options) => only(start(name, one(request), options)),
    clientStream: (name, requests, options) => only(start(name, requests, options)),
    async *serverStream(name, request, options): Messages {
      yield* start(name, one(request), options)
    },
    async *bidi(name, requests, options): Messages {
      yield* start(name, requests, options)
    },
    close() {
      closed = true
      for (const call of [...running]) call.cut(channelClosed())
    },
  }
}

function isStream({ kind }: Method): boolean {
  return kind === 'client-stream' || kind === 'bidi'
}

/** Runs a handler; settles when it does. */
async function handle(method: Method, requests: MessageQueue, call: Call, send: Send): Promise<void> {
  switch (method.kind) {
    case 'unary': {
      const request = await only(requests)
      const reply = Buffer.from(await method.handle(request, call))
      if (method.borrows) request.fill(0xdd)
      await send(reply)
      return
    }
    case 'server-stream': {
      const request = await only(requests)
      await method.handle(request, call, send)
      if (method.borrows) request.fill(0xdd)
      return
    }
    case 'client-stream':
      await send(await method.handle(requests, call))
      return
    case 'bidi':
      await method.handle(requests, call, send)
  }
}

async function* one(message: Uint8Array): Requests {
  yield message
}

async function only(messages: Messages): Promise<Buffer> {
  let message: Buffer | undefined
  for await (const each of messages) {
    if (message) throw new RpcError(Code.INTERNAL, 'more than one message where exactly one is expected')
    message = each
  }
  if (!message) throw new RpcError(Code.INTERNAL, 'the call ended without a message')
  return message
}

function channelClosed(): RpcError {
  return new RpcError(Code.UNAVAILABLE, 'the channel is closed')
}

function overTheWire(error: unknown): RpcError {
  const { code, message, details } = toRpcError(error)
  return new RpcError(code, message, details)
}
