import type { CallContext } from './call-context.ts'
import { callEnded, clientStalled, connectionBroke } from './call-errors.ts'
import { CallSender } from './call-sender.ts'
import type { OpenCall, Visitor } from './door.ts'
import type { FrameReader } from './frames.ts'
import { errorTrailers, okTrailers } from './headers.ts'
import type { MessageQueue } from './queue.ts'
import { RequestMessages } from './request-messages.ts'
import { Reservations } from './reservations.ts'
import { type Call, Code, type Method, RpcError, type Send, Stalled } from './rpc.ts'
import { isBug, toRpcError } from './status.ts'
import type { Load, RequestHead, StreamIn, StreamOut } from './stream.ts'

/** A client resets a stream when its deadline passes, and its clock may be slightly ahead of ours. */
const deadlineMsMargin = 1_000

/**
 * One call from its headers to its trailers. A class, since there is one per call and most are over within
 * microseconds: what a call may not need (signal, metadata, timer, queue) is created on demand.
 */
export class ServerCall implements StreamIn, Call, OpenCall {
  readonly method: string
  readonly deadline: number | undefined
  readonly #context: CallContext
  readonly #kind: Method
  readonly #head: RequestHead
  readonly #timeoutMs: number | undefined
  readonly #out: StreamOut
  readonly #load: Load
  readonly #visitor: Visitor | undefined
  readonly #messages: RequestMessages
  readonly #reader: FrameReader
  readonly #startedMs: number
  #running = false
  #over: RpcError | 'ok' | undefined
  /** The client is gone without having cancelled. */
  #lost = false
  #metadata: ReadonlyMap<string, string> | undefined
  #controller: AbortController | undefined
  #sender: CallSender | undefined
  #reservations: Reservations | undefined
  #stopTimer: (() => void) | undefined

  constructor(
    context: CallContext,
    name: string,
    method: Method,
    head: RequestHead,
    timeoutMs: number | undefined,
    out: StreamOut,
    load: Load,
    visitor?: Visitor,
  ) {
    this.method = name
    this.deadline = timeoutMs === undefined ? undefined : context.clock.now() + timeoutMs
    this.#context = context
    this.#kind = method
    this.#head = head
    this.#timeoutMs = timeoutMs
    this.#out = out
    this.#load = load
    this.#visitor = visitor
    visitor?.calls.add(this)
    this.#startedMs = context.observe ? performance.now() : 0
    this.#messages = new RequestMessages(context, name, method, head, out, load.work, visitor)
    this.#reader = this.#messages.reader
    if (this.#messages.queue) this.#startStream(method, this.#messages.queue)
  }

  get peer(): string {
    return this.#out.peer
  }

  get metadata(): ReadonlyMap<string, string> {
    this.#metadata ??= this.#head.metadata()
    return this.#metadata
  }

  get vouched(): string | undefined {
    return this.#visitor?.vouch?.()
  }

  get limited(): boolean {
    return this.#visitor?.limited ?? false
  }

  header(name: string): string | undefined {
    return this.#metadata ? this.#metadata.get(name) : this.#head.field(name)
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#over instanceof RpcError) this.#controller.abort(this.#reason(this.#over))
    }
    return this.#controller.signal
  }

  reserve(bytes: number): Promise<void> | undefined {
    if (this.#over) throw callEnded
    this.#reservations ??= new Reservations(this.#out.answers)
    return this.#reservations.take(bytes)
  }

  release(): void {
    this.#reservations?.release()
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
    const { queue } = this.#messages
    const request = this.#messages.takeOnly()
    if (!this.#reader.idle) this.#fail(new RpcError(Code.INTERNAL, 'the request ends in the middle of a message'))
    else if (queue) queue.end()
    else if (request) this.#startOnly(request)
    else this.#fail(new RpcError(Code.INTERNAL, 'the request has no message'))
  }

  drained(): void {
    this.#sender?.drained()
  }

  closed(cancelled: boolean): void {
    if (this.#over) return
    const late = this.deadline !== undefined && this.#context.clock.now() > this.deadline - deadlineMsMargin
    this.#lost = !cancelled || late
    this.#finish(new RpcError(Code.CANCELLED, 'the client has gone'))
  }

  stalled(): void {
    this.#fail(clientStalled())
  }

  sweep(): void {
    const error = this.#over ? undefined : this.#messages.sweep()
    if (error) this.#fail(error)
  }

  /** The caller is no longer allowed to make this call. */
  revoked(error: RpcError): void {
    this.#fail(error)
  }

  /** Runs the handler of a call with a single request message. */
  #startOnly(request: Buffer): void {
    const method = this.#kind
    // A request that is not borrowed belongs to the handler, which may drop it long before it settles.
    const lent = method.borrows ? request : undefined
    try {
      if (method.kind === 'server-stream') this.#settle(method.handle(request, this, this.#openSender()), lent)
      if (method.kind !== 'unary') return
      const reply = method.handle(request, this)
      if (!(reply instanceof Uint8Array)) {
        this.#settle(reply, lent)
        return
      }
      this.#messages.done(request)
      this.#reply(reply)
    } catch (error) {
      this.#messages.done(request)
      this.#fail(error)
    }
  }

  /** Runs the handler of a call with a request stream. */
  #startStream(method: Method, queue: MessageQueue): void {
    try {
      if (method.kind === 'client-stream') this.#settle(method.handle(queue, this))
      else if (method.kind === 'bidi') this.#settle(method.handle(queue, this, this.#openSender()))
    } catch (error) {
      this.#fail(error)
    }
  }

  #settle(outcome: Promise<unknown>, request?: Buffer): void {
    this.#load.running += 1
    this.#running = true
    if (this.#timeoutMs !== undefined)
      this.#stopTimer = this.#context.clock.after(this.#timeoutMs, () =>
        this.#fail(new RpcError(Code.DEADLINE_EXCEEDED, 'deadline exceeded')),
      )
    outcome.then(
      (reply) => {
        this.#settled(request)
        this.#reply(reply instanceof Uint8Array ? reply : undefined)
        this.release()
      },
      (error) => {
        this.#settled(request)
        this.#fail(error)
        this.release()
      },
    )
  }

  #settled(request: Buffer | undefined): void {
    this.#load.running -= 1
    this.#running = false
    this.#messages.settled(request)
  }

  #reply(message: Uint8Array | undefined): void {
    if (this.#over) return
    this.#finish('ok')
    this.#out.end(message, okTrailers)
  }

  #fail(error: unknown): void {
    // Whatever a handler throws after its call has ended is a consequence of that.
    if (this.#over) return
    if (isBug(error)) this.#context.log?.error('a handler failed', { method: this.method, peer: this.peer, error })
    const status = toRpcError(error)
    this.#finish(status)
    if (error instanceof Stalled) this.#out.abandon(errorTrailers(status))
    else this.#out.end(undefined, errorTrailers(status))
  }

  #openSender(): Send {
    this.#sender = new CallSender(this.#out)
    return this.#sender.send
  }

  /** Releases everything that the call holds. */
  #finish(outcome: RpcError | 'ok'): void {
    this.#over = outcome
    this.#visitor?.calls.delete(this)
    this.#stopTimer?.()
    this.#reservations?.leave()
    const code = outcome === 'ok' ? Code.OK : outcome.code
    this.#context.observe?.(this.method, code, (performance.now() - this.#startedMs) / 1000)
    const ended = outcome === 'ok' ? callEnded : outcome
    this.#messages.end(ended, this.#running)
    this.#sender?.end(ended)
    if (outcome !== 'ok') this.#controller?.abort(this.#reason(outcome))
  }

  #reason(outcome: RpcError): RpcError {
    return this.#lost ? connectionBroke : outcome
  }
}
