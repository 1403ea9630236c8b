import type { CallContext } from './call-context.ts'
import type { Visitor } from './door.ts'
import { FrameReader, type MessageSink, tooMany } from './frames.ts'
import type { BufferPool } from './pool.ts'
import { MessageQueue, type QueueOwner } from './queue.ts'
import { Code, type Method, RpcError } from './rpc.ts'
import { retryInfo } from './status.ts'
import type { RequestHead, StreamOut, Work } from './stream.ts'

/** Request bytes waiting for their handler: the client is held back above the first, until they fall below the second. */
const queueBytesMax = 256 * 1024
const queueBytesLow = 64 * 1024
/** Counted for each message in addition to its bytes: the waiting call. */
const messageCostBytes = 4 * 1024
/** Sweeps, every five seconds, within which a message has to be complete if others need its memory. */
const incompleteSweepsMax = 2
/** The client's retry delay, in milliseconds. */
const retryMs = 1_000

/**
 * A call's request messages, from their first bytes until the handler is done with them; their memory counts towards
 * the connection's requests. A class, since there is one per call.
 */
export class RequestMessages implements MessageSink, QueueOwner {
  /** Where the handler reads them; undefined if it expects exactly one. */
  readonly queue: MessageQueue | undefined
  /** Assembles them from the bytes that arrive. */
  readonly reader: FrameReader
  readonly #name: string
  readonly #out: StreamOut
  readonly #pool: BufferPool | undefined
  readonly #visitor: Visitor | undefined
  #only: Buffer | undefined
  #paused = false
  /** Bytes of messages that the handler is not done with. */
  #heldBytes = 0
  #incompleteSweeps = 0

  /**
   * @param name of the method: `package.Service/Method`
   * @param work counts what its messages cost
   * @param visitor inspects each message, if limited to some instances
   */
  constructor(
    context: CallContext,
    name: string,
    method: Method,
    { encoding }: RequestHead,
    out: StreamOut,
    work: Work,
    visitor: Visitor | undefined,
  ) {
    this.#name = name
    this.#out = out
    this.#visitor = visitor
    // Messages that are not borrowed belong to the handler, so their memory is not reused.
    const pool = method.borrows ? context.pool : undefined
    this.#pool = pool
    const bytesMax = method.requestBytesMax ?? context.receiveBytesMax
    this.reader = new FrameReader({ bytesMax, gzip: encoding === 'gzip', memory: out.requests, pool, work }, this)
    if (method.kind === 'client-stream' || method.kind === 'bidi') this.queue = new MessageQueue(this)
  }

  /** @throws RpcError RESOURCE_EXHAUSTED, PERMISSION_DENIED, or INTERNAL for a second message where one is expected */
  message(message: Buffer): void {
    if (this.#visitor?.limited) this.#visitor.inspect(this.#name, message)
    this.#incompleteSweeps = 0
    this.#hold(message.length + messageCostBytes)
    const { queue } = this
    if (!queue) {
      if (this.#only) throw new RpcError(Code.INTERNAL, 'more than one message where exactly one is expected')
      this.#only = message
      return
    }
    queue.push(message)
    if (this.#paused || queue.bytes < queueBytesMax) return
    this.#paused = true
    this.#out.pause()
  }

  /** The one message of a call without a queue, if it has arrived. */
  takeOnly(): Buffer | undefined {
    const only = this.#only
    this.#only = undefined
    return only
  }

  taken(): void {
    if (!this.#paused || (this.queue?.bytes ?? 0) > queueBytesLow) return
    this.#paused = false
    this.#out.resume()
  }

  done(message: Buffer): void {
    this.#release(message.length + messageCostBytes)
    this.#pool?.give(message)
  }

  left(): void {
    this.taken()
  }

  /** The handler has settled, which ends its borrowing. @param request the message that it borrowed */
  settled(request: Buffer | undefined): void {
    if (request) this.done(request)
    this.queue?.release()
    this.#release(this.#heldBytes)
  }

  /** The call is over. @param running the handler still runs, and may read what it has */
  end(error: RpcError, running: boolean): void {
    this.reader.drop()
    this.#only = undefined
    if (!running) this.#release(this.#heldBytes)
    this.queue?.fail(error)
  }

  /**
   * Every five seconds.
   * @returns why the call has to end, if a message has been incomplete for too long while others needed the memory
   */
  sweep(): RpcError | undefined {
    if (this.reader.idle) return undefined
    this.#incompleteSweeps += 1
    if (this.#incompleteSweeps <= incompleteSweepsMax || !this.#out.requests.scarce) return undefined
    const text = `a message was incomplete for ${incompleteSweepsMax * 5} s while others needed the memory`
    return new RpcError(Code.RESOURCE_EXHAUSTED, text, [retryInfo(retryMs)])
  }

  #hold(bytes: number): void {
    if (!this.#out.requests.tryHold(bytes)) throw tooMany()
    this.#heldBytes += bytes
  }

  #release(bytes: number): void {
    const held = Math.min(bytes, this.#heldBytes)
    this.#heldBytes -= held
    if (held > 0) this.#out.requests.release(held)
  }
}
