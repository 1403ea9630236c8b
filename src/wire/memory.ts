import { type Clock, systemClock } from '../core/clock.ts'
import { messageBytesMax } from '../core/limits.ts'
import { methodTable } from './methods.ts'
import { MessageQueue } from './queue.ts'
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

/** What may wait on either side of a stream before its writer has to. */
const queueBytesMax = 256 * 1024

export interface MemoryOptions {
  /** Measures deadlines. */
  readonly clock?: Clock
  /** What the handlers are told of who calls. */
  readonly peer?: string
  /** Bytes of the largest message, either way. */
  readonly bytesMax?: number
}

/**
 * A channel to services in the same process: no sockets, but the real handlers, with the same
 * deadlines, cancellation, backpressure and message limit (4 MiB each way) as over a network.
 * Errors cross it as over a network: only code, message and details survive.
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

type Requests = AsyncIterable<Uint8Array>
type MemoryCall = ReturnType<typeof createCall>

/** One call: the queue of its replies, what the handler knows of it, and its end. */
function createCall(
  method: string,
  options: CallOptions,
  { clock, peer, bytesMax }: Required<MemoryOptions>,
  ended: () => void,
) {
  const controller = new AbortController()
  const replies = createBoundedQueue(() => cut(new RpcError(Code.CANCELLED, 'the caller has stopped reading')))
  let requests: BoundedQueue | undefined
  let over = false

  function end(): boolean {
    if (over) return false
    over = true
    stopTimer?.()
    options.signal?.removeEventListener('abort', cancel)
    ended()
    return true
  }

  /** The caller has gone, or gives up: whatever waits is dropped. */
  function cut(error: Error): void {
    if (!end()) return
    replies.queue.fail(error)
    replies.wake()
    requests?.queue.fail(toRpcError(error))
    requests?.wake()
    controller.abort(error)
  }

  /** The handler is done: what waits is read first. */
  function complete(error?: RpcError): void {
    if (!end()) return
    replies.queue.end(error)
    requests?.queue.fail(new RpcError(Code.CANCELLED, 'the call has ended'))
    requests?.wake()
  }

  async function pump(source: Requests, { queue, room }: BoundedQueue, bytesMax: number): Promise<void> {
    for await (const message of source) {
      if (over || queue.closed) return
      if (message.byteLength > bytesMax) throw tooLarge('request', message.byteLength, bytesMax)
      queue.push(Buffer.from(message))
      await room()
    }
    queue.end()
  }

  const send: Send = (message, rest) => {
    if (over) throw new RpcError(Code.CANCELLED, 'the call has ended')
    const whole = rest ? Buffer.concat([message, rest.bytes]) : Buffer.from(message)
    if (whole.byteLength > bytesMax) throw tooLarge('answer', whole.byteLength, bytesMax)
    replies.queue.push(whole)
    rest?.sent?.()
    return replies.room()?.then(() => {
      if (over) throw new RpcError(Code.CANCELLED, 'the call has ended')
    })
  }

  const cancel = () => cut(new RpcError(Code.CANCELLED, 'cancelled by the caller'))
  options.signal?.addEventListener('abort', cancel)
  const { timeoutMs } = options
  const stopTimer =
    timeoutMs === undefined
      ? undefined
      : clock.after(timeoutMs, () => cut(new RpcError(Code.DEADLINE_EXCEEDED, 'deadline exceeded')))
  const metadata = new Map(Object.entries(options.metadata ?? {}).map(([key, value]) => [key.toLowerCase(), value]))
  const facts: Call = {
    method,
    metadata,
    header: (name) => metadata.get(name),
    deadline: timeoutMs === undefined ? undefined : clock.now() + timeoutMs,
    signal: controller.signal,
    peer,
    reserve: () => undefined,
    release: () => undefined,
  }

  return {
    replies: replies.queue,
    facts,
    send,
    cut,
    complete,
    receive(source: Requests, borrows: boolean, bytesMax: number): MessageQueue {
      // A handler that keeps what it borrows shows here, in tests, not only under load.
      requests = createBoundedQueue(() => requests?.wake(), borrows ? (message) => void message.fill(0xdd) : undefined)
      // What the source throws reaches the caller as it is, as a Channel promises.
      pump(source, requests, bytesMax).catch((error: unknown) =>
        cut(error instanceof Error ? error : new Error(String(error))),
      )
      return requests.queue
    },
  }
}

interface BoundedQueue {
  readonly queue: MessageQueue
  /** Nothing while there is room, otherwise a promise that settles when there is, or nobody reads any more. */
  room(): Promise<void> | undefined
  wake(): void
}

function createBoundedQueue(left: () => void, done?: (message: Buffer) => void): BoundedQueue {
  let waiting: PromiseWithResolvers<void> | undefined
  const wake = () => {
    waiting?.resolve()
    waiting = undefined
  }
  const queue = new MessageQueue({
    taken: () => {
      if (queue.bytes < queueBytesMax) wake()
    },
    left,
    ...(done && { done }),
  })
  return {
    queue,
    wake,
    room() {
      if (queue.bytes < queueBytesMax || queue.closed) return undefined
      waiting ??= Promise.withResolvers()
      return waiting.promise
    },
  }
}

function isStream({ kind }: Method): boolean {
  return kind === 'client-stream' || kind === 'bidi'
}

/** Runs a handler; settles when it has. */
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

function tooLarge(what: string, bytes: number, bytesMax: number): RpcError {
  return new RpcError(Code.RESOURCE_EXHAUSTED, `the ${what} is larger (${bytes} bytes) than ${bytesMax} bytes`)
}

function channelClosed(): RpcError {
  return new RpcError(Code.UNAVAILABLE, 'the channel is closed')
}

function overTheWire(error: unknown): RpcError {
  const { code, message, details } = toRpcError(error)
  return new RpcError(code, message, details)
}
