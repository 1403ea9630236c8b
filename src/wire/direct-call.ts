import { type FrameLimits, FrameReader, type MessageSink } from './frames.ts'
import type { ClientSession } from './http2/client-session.ts'
import type { Answer, ClientStream } from './http2/client-stream.ts'
import type { Field } from './http2/field.ts'
import { type CallOptions, Code, RpcError } from './rpc.ts'
import { errorOfHttp, errorOfTrailers } from './trailers.ts'

/** The limit of setTimeout. */
const timerMsMax = 2 ** 31 - 1

/** The caller of a call. Nothing follows `ended`. */
export interface Caller {
  message(message: Buffer): void
  ended(error: RpcError | undefined): void
}

/** A call on the client's side, from its headers to its status. A class, since there is one per call. */
export class DirectCall implements Answer, MessageSink {
  readonly #caller: Caller
  readonly #reader: FrameReader
  readonly #stream: ClientStream
  readonly #timer: NodeJS.Timeout | undefined
  readonly #signal: AbortSignal | undefined
  readonly #abort = () => this.cancel(new RpcError(Code.CANCELLED, 'cancelled by the caller'))
  #opened = false
  #over = false
  #room: PromiseWithResolvers<void> | undefined

  /** @param block its encoded header fields; the signal in the options must not be aborted */
  constructor(
    session: ClientSession,
    block: Uint8Array,
    limits: FrameLimits,
    { timeoutMs, signal }: CallOptions,
    caller: Caller,
  ) {
    this.#caller = caller
    this.#reader = new FrameReader(limits, this)
    this.#stream = session.open(block, this)
    if (timeoutMs !== undefined)
      this.#timer = setTimeout(
        () => this.cancel(new RpcError(Code.DEADLINE_EXCEEDED, 'deadline exceeded')),
        Math.min(timeoutMs, timerMsMax),
      )
    this.#signal = signal
    signal?.addEventListener('abort', this.#abort)
  }

  get over(): boolean {
    return this.#over
  }

  /** Sends the only request message. */
  sendOnly(message: Uint8Array): void {
    this.#stream.send(message, true)
  }

  /** Sends one of many messages; returns a promise if the next should wait, which also settles when the call ends. */
  send(message: Uint8Array): Promise<void> | undefined {
    if (this.#over || this.#stream.send(message, false)) return undefined
    this.#room ??= Promise.withResolvers()
    return this.#room.promise
  }

  endRequests(): void {
    this.#stream.end()
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  cancel(error: RpcError): void {
    if (this.#over) return
    this.#stream.cancel()
    this.#end(error)
  }

  fields(fields: readonly Field[] | undefined, last: boolean): void {
    if (this.#over) return
    if (!fields) this.cancel(new RpcError(Code.RESOURCE_EXHAUSTED, 'the header fields of the answer are too large'))
    else if (this.#opened && !last) this.cancel(new RpcError(Code.INTERNAL, 'header fields in the middle of an answer'))
    else if (this.#opened) this.#finish(fields)
    else this.#open(fields, last)
  }

  data(chunk: Buffer, start: number, end: number): void {
    if (this.#over) return
    try {
      if (!this.#opened) throw new RpcError(Code.INTERNAL, 'an answer without header fields')
      this.#reader.push(chunk, start, end)
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      this.cancel(error)
    }
  }

  message(message: Buffer): void {
    if (!this.#over) this.#caller.message(message)
  }

  drained(): void {
    this.#room?.resolve()
    this.#room = undefined
  }

  cut(error: RpcError): void {
    this.#end(error)
  }

  #open(fields: readonly Field[], last: boolean): void {
    const status = fields.find(({ name }) => name === ':status')?.value ?? ''
    // Section 8.1: an informational response before the answer itself.
    if (/^1\d\d$/.test(status) && !last) return
    this.#opened = true
    if (status !== '200') this.cancel(errorOfHttp(status))
    else if (last) this.#finish(fields)
  }

  #finish(fields: readonly Field[]): void {
    const error = errorOfTrailers(fields)
    this.#end(
      error ??
        (this.#reader.idle ? undefined : new RpcError(Code.INTERNAL, 'the answer ends in the middle of a message')),
    )
  }

  #end(error: RpcError | undefined): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#abort)
    this.#reader.drop()
    this.drained()
    this.#caller.ended(error)
  }
}
