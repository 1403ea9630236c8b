import type { RpcError } from '../rpc.ts'
import type { SendQueue } from './client-send-queue.ts'
import type { Field } from './field.ts'
import type { Output } from './output.ts'
import { Pending, pendingBytesLow, pendingBytesMax } from './pending.ts'
import { ErrorCode, Flag, FrameType, framePayloadBytesMax } from './protocol.ts'

/** Receives the answer on a stream. Nothing follows `cut`, or the last fields. */
export interface Answer {
  /** The answer's fields; `last` if it ends with them. Undefined if they exceed the limit. */
  fields(fields: readonly Field[] | undefined, last: boolean): void
  /** Bytes of the body, `chunk` from start to end; no longer valid when this returns. */
  data(chunk: Buffer, start: number, end: number): void
  /** After a send that returned false: there is room again. */
  drained(): void
  /** The stream is over before its answer was. */
  cut(error: RpcError): void
}

/** What a stream needs of its connection. */
export interface ClientHost {
  readonly output: Output
  readonly sends: SendQueue
  /** What the server may send ahead on one stream. */
  readonly windowBytes: number
  /** Changes the number of received bytes that wait for a slow reader. */
  held(bytes: number): void
  forget(stream: ClientStream): void
}

/** One request and its answer, at the client. A class, since there is one per call. */
export class ClientStream {
  readonly id: number
  readonly answer: Answer
  readonly #host: ClientHost
  /** Bytes that the server accepts; may be negative (RFC 9113, section 6.9.2). */
  sendWindow: number
  receiveWindow: number
  pendingBytes = 0
  /** The stream has ended, for whatever reason. */
  gone = false
  /** All of the request has been sent. */
  #sentAll = false
  /** Nothing more will be added to the request. */
  #complete = false
  #full = false
  readonly #pending = new Pending()
  #paused = false
  #held = 0
  #uncredited = 0

  constructor(host: ClientHost, id: number, sendWindow: number, answer: Answer) {
    this.#host = host
    this.id = id
    this.sendWindow = sendWindow
    this.receiveWindow = host.windowBytes
    this.answer = answer
  }

  /** Sends a message, which must not change afterwards; false if the caller should wait for `drained`. */
  send(message: Uint8Array, last: boolean): boolean {
    if (this.gone || this.#complete) return true
    this.pendingBytes += this.#pending.append(message)
    this.#complete = last
    this.#host.sends.wants(this)
    this.#full = this.pendingBytes > pendingBytesMax
    return !this.#full
  }

  /** The request is complete. */
  end(): void {
    if (this.gone || this.#complete) return
    this.#complete = true
    if (this.pendingBytes > 0) return
    this.#sentAll = true
    this.#host.output.frameHead(FrameType.DATA, Flag.END_STREAM, this.id, 0)
    this.#host.output.schedule()
  }

  /** The answer is no longer wanted, or cannot be used. */
  cancel(): void {
    if (!this.gone) this.#leave(ErrorCode.CANCEL)
  }

  /** The server has sent all of its answer; the unsent part of the request is dropped (rule 7). */
  answered(): void {
    if (!this.gone) this.#leave(this.#sentAll ? undefined : ErrorCode.NO_ERROR)
  }

  /** The connection is lost, or the server has reset the stream. */
  lost(error: RpcError): void {
    if (this.gone) return
    this.#leave(undefined)
    this.answer.cut(error)
  }

  /** Sends one DATA frame of at most this many bytes. */
  sendFrame(bytesMax: number): void {
    const { output } = this.#host
    const length = Math.min(bytesMax, this.pendingBytes, framePayloadBytesMax)
    this.#sentAll = this.#complete && length === this.pendingBytes
    output.frameHead(FrameType.DATA, this.#sentAll ? Flag.END_STREAM : 0, this.id, length)
    this.#pending.writeTo(output, length)
    this.sendWindow -= length
    this.#host.sends.sendWindow -= length
    this.pendingBytes -= length
    if (!this.#full || this.pendingBytes >= pendingBytesLow) return
    this.#full = false
    this.answer.drained()
  }

  /** A frame's payload has been consumed: grants the server as much again, unless the reader is slow. */
  received(frameBytes: number): void {
    if (this.gone) return
    if (this.#paused) {
      this.#held += frameBytes
      this.#host.held(frameBytes)
    }
    this.#uncredited += frameBytes
    this.#credit()
  }

  pause(): void {
    if (!this.gone) this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#release()
    if (!this.gone) this.#credit()
  }

  #credit(): void {
    if (this.#paused || this.#uncredited < this.#host.windowBytes / 2) return
    this.#host.output.windowUpdate(this.id, this.#uncredited)
    this.#host.output.schedule()
    this.receiveWindow += this.#uncredited
    this.#uncredited = 0
  }

  #release(): void {
    if (this.#held > 0) this.#host.held(-this.#held)
    this.#held = 0
  }

  #leave(code: ErrorCode | undefined): void {
    this.gone = true
    this.pendingBytes = 0
    this.#release()
    if (code !== undefined) {
      this.#host.output.reset(this.id, code)
      this.#host.output.schedule()
    }
    this.#host.forget(this)
  }
}
