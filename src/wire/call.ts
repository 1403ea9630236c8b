import type { Clock } from '../core/clock.ts'
import { type Budget, FrameReader, type MessageSink } from './frames.ts'
import { errorTrailers, okTrailers } from './headers.ts'
import type { BufferPool } from './pool.ts'
import { MessageQueue, type QueueOwner } from './queue.ts'
import { type Call, Code, type Method, type Rest, RpcError } from './rpc.ts'
import { isBug, toRpcError } from './status.ts'
import type { Load, RequestHead, StreamIn, StreamOut } from './stream.ts'

/** Requests that wait for their handler: beyond the first the client has to stop, until below the second. */
const queueBytesMax = 256 * 1024
const queueBytesLow = 64 * 1024

/** Where a server tells of bugs; telemetry's Log is one. */
export interface ServerLog {
  error(message: string, fields?: object): void
}

/** What all calls of a server share. */
export interface CallContext {
  readonly methods: ReadonlyMap<string, Method>
  readonly receiveBytesMax: number
  readonly budget: Budget
  readonly pool: BufferPool
  readonly clock: Clock
  readonly log: ServerLog | undefined
  /** Called at the end of each call of a known method. */
  readonly observe: ((method: string, code: Code, seconds: number) => void) | undefined
}

/** One for all calls: making an error, with its stack, takes longer than most calls do. */
const callEnded = new RpcError(Code.CANCELLED, 'the call has ended')

interface Room {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: Error): void
}

/**
 * One call from its headers to its trailers. A class, since there is one for each call and
 * most of them are over within microseconds: what a call may not need (signal, metadata,
 * timer, queue) is made when it does.
 */
export class ServerCall implements StreamIn, Call, MessageSink, QueueOwner {
  readonly method: string
  readonly deadline: number | undefined
  readonly #context: CallContext
  readonly #kind: Method
  readonly #head: RequestHead
  readonly #timeoutMs: number | undefined
  readonly #out: StreamOut
  readonly #load: Load
  readonly #reader: FrameReader
  readonly #startedMs: number
  #request: Buffer | undefined
  #queue: MessageQueue | undefined
  #paused = false
  #over: RpcError | 'ok' | undefined
  #metadata: ReadonlyMap<string, string> | undefined
  #controller: AbortController | undefined
  #room: Room | undefined
  #stopTimer: (() => void) | undefined

  constructor(
    context: CallContext,
    name: string,
    method: Method,
    head: RequestHead,
    timeoutMs: number | undefined,
    out: StreamOut,
    load: Load,
  ) {
    this.method = name
    this.deadline = timeoutMs === undefined ? undefined : context.clock.now() + timeoutMs
    this.#context = context
    this.#kind = method
    this.#head = head
    this.#timeoutMs = timeoutMs
    this.#out = out
    this.#load = load
    this.#startedMs = context.observe ? performance.now() : 0
    const limits = {
      bytesMax: context.receiveBytesMax,
      gzip: head.encoding === 'gzip',
      budget: context.budget,
      pool: method.borrows ? context.pool : undefined,
    }
    this.#reader = new FrameReader(limits, this)
    if (method.kind === 'client-stream' || method.kind === 'bidi') this.#startStream(method)
  }

  get peer(): string {
    return this.#out.peer
  }

  get metadata(): ReadonlyMap<string, string> {
    this.#metadata ??= this.#head.metadata()
    return this.#metadata
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#over instanceof RpcError) this.#controller.abort(this.#over)
    }
    return this.#controller.signal
  }

  room(): Promise<void> | undefined {
    return this.#over ? undefined : this.#out.room()
  }

  data(chunk: Buffer, start: number, end: number): void {
    if (this.#over) return
    try {
      this.#reader.push(chunk, start, end)
    } catch (error) {
      this.#fail(error)
    }
  }

  end(): void {
    if (this.#over) return
    if (!this.#reader.idle) this.#fail(new RpcError(Code.INTERNAL, 'the request ends in the middle of a message'))
    else if (this.#queue) this.#queue.end()
    else if (this.#request) this.#startOnly(this.#request)
    else this.#fail(new RpcError(Code.INTERNAL, 'the request has no message'))
  }

  drained(): void {
    this.#room?.resolve()
    this.#room = undefined
  }

  closed(): void {
    if (!this.#over) this.#finish(new RpcError(Code.CANCELLED, 'the client has gone'))
  }

  message(message: Buffer): void {
    const queue = this.#queue
    if (!queue) {
      if (this.#request) throw new RpcError(Code.INTERNAL, 'more than one message where one is due')
      this.#request = message
      return
    }
    queue.push(message)
    if (this.#paused || queue.bytes < queueBytesMax) return
    this.#paused = true
    this.#out.pause()
  }

  taken(): void {
    if (!this.#paused || (this.#queue?.bytes ?? 0) > queueBytesLow) return
    this.#paused = false
    if (!this.#over) this.#out.resume()
  }

  done(message: Buffer): void {
    if (this.#kind.borrows) this.#context.pool.give(message)
  }

  left(): void {
    this.taken()
  }

  /** Runs the handler of a call with one request. */
  #startOnly(request: Buffer): void {
    const method = this.#kind
    this.#request = undefined
    try {
      if (method.kind === 'unary') {
        const reply = method.handle(request, this)
        if (reply instanceof Uint8Array) {
          this.done(request)
          this.#reply(reply)
        } else this.#settle(reply, request)
      } else if (method.kind === 'server-stream')
        this.#settle(
          method.handle(request, this, (each, rest) => this.#send(each, rest)),
          request,
        )
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Runs the handler of a call with a stream of requests. */
  #startStream(method: Method): void {
    const queue = new MessageQueue(this)
    this.#queue = queue
    try {
      if (method.kind === 'client-stream') this.#settle(method.handle(queue, this))
      else if (method.kind === 'bidi') this.#settle(method.handle(queue, this, (each, rest) => this.#send(each, rest)))
    } catch (error) {
      this.#fail(error)
    }
  }

  #settle(outcome: Promise<unknown>, request?: Buffer): void {
    this.#load.running += 1
    if (this.#timeoutMs !== undefined)
      this.#stopTimer = this.#context.clock.after(this.#timeoutMs, () =>
        this.#fail(new RpcError(Code.DEADLINE_EXCEEDED, 'deadline exceeded')),
      )
    outcome.then(
      (reply) => {
        this.#settled(request)
        this.#reply(reply instanceof Uint8Array ? reply : undefined)
      },
      (error) => {
        this.#settled(request)
        this.#fail(error)
      },
    )
  }

  /** The handler has settled, and with it ends what it borrows. */
  #settled(request: Buffer | undefined): void {
    this.#load.running -= 1
    if (request) this.done(request)
    this.#queue?.release()
  }

  #reply(message: Uint8Array | undefined): void {
    if (this.#over) return
    this.#finish('ok')
    this.#out.end(message, okTrailers)
  }

  #fail(error: unknown): void {
    // What a handler throws once its call is over comes of that.
    if (this.#over) return
    if (isBug(error)) this.#context.log?.error('a handler failed', { method: this.method, peer: this.peer, error })
    const status = toRpcError(error)
    this.#finish(status)
    this.#out.end(undefined, errorTrailers(status))
  }

  #send(message: Uint8Array, rest: Rest | undefined): void | Promise<void> {
    if (this.#over) throw callEnded
    if (this.#out.write(message, rest)) return
    this.#room ??= createRoom()
    return this.#room.promise
  }

  /** Lets go of everything that hangs on the call. */
  #finish(outcome: RpcError | 'ok'): void {
    this.#over = outcome
    this.#stopTimer?.()
    this.#reader.drop()
    this.#request = undefined
    if (this.#context.observe)
      this.#context.observe(
        this.method,
        outcome === 'ok' ? Code.OK : outcome.code,
        (performance.now() - this.#startedMs) / 1000,
      )
    const ended = outcome === 'ok' ? callEnded : outcome
    this.#queue?.fail(ended)
    this.#room?.reject(ended)
    if (outcome !== 'ok') this.#controller?.abort(outcome)
  }
}

function createRoom(): Room {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // A handler that sends without waiting must not end the process when the client goes.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}
