import type { Clock } from '../core/clock.ts'
import { MessageQueue } from './queue.ts'
import { type Call, type CallOptions, Code, RpcError, type Send } from './rpc.ts'
import { toRpcError } from './status.ts'

/** Bytes that may be queued on either side of a stream before its writer has to wait. */
const queueBytesMax = 256 * 1024

export type Requests = AsyncIterable<Uint8Array>
export type MemoryCall = ReturnType<typeof createCall>

/** Common to every call of a channel. */
interface Terms {
  /** Measures deadlines. */
  readonly clock: Clock
  /** The caller as reported to handlers. */
  readonly peer: string
  /** The largest message in bytes, either way. */
  readonly bytesMax: number
}

/** One call: the queue of its replies, its context for the handler, and its end. */
export function createCall(method: string, options: CallOptions, { clock, peer, bytesMax }: Terms, ended: () => void) {
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

  /** The caller is gone, or gives up: everything queued is dropped. */
  function cut(error: Error): void {
    if (!end()) return
    replies.queue.fail(error)
    replies.wake()
    requests?.queue.fail(toRpcError(error))
    requests?.wake()
    controller.abort(error)
  }

  /** The handler is done: what is queued is still read first. */
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
      // Exposes in tests, not only under load, a handler that keeps what it borrows.
      requests = createBoundedQueue(() => requests?.wake(), borrows ? (message) => void message.fill(0xdd) : undefined)
      // The source's errors reach the caller unchanged, as a Channel promises.
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

function tooLarge(what: string, bytes: number, bytesMax: number): RpcError {
  return new RpcError(Code.RESOURCE_EXHAUSTED, `the ${what} is larger (${bytes} bytes) than ${bytesMax} bytes`)
}
