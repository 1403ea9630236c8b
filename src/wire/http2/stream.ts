import type { Account } from '../account.ts'
import type { Rest } from '../rpc.ts'
import type { Fields, StreamIn, StreamOut } from '../stream.ts'
import { openingBlock, plainBlock, trailersBlock, trailersOnlyBlock, writeWhole } from './answer-frames.ts'
import { prefixBytes } from './pending.ts'
import { Flag, FrameType, framePayloadBytesMax } from './protocol.ts'
import type { StreamHost } from './stream-host.ts'
import { WaitingAnswer } from './waiting-answer.ts'

/** What a client may send ahead on one stream, and how much is used up before it is granted more. */
export const streamWindowBytes = 4 * 1024 * 1024
const creditBytes = streamWindowBytes / 2
/** Bytes that a client may still send after it has its answer, before it is told to stop (rule 7). */
const ignoredBytesMax = 64 * 1024 * 1024
/** Sweeps, every five seconds, within which a client has to end a request that has its answer. */
const halfOpenSweepsMax = 6

/** One request and its answer. A class, since there is one per call. */
export class Stream implements StreamOut {
  readonly id: number
  readonly answers: Account
  readonly requests: Account
  readonly #host: StreamHost<Stream>
  call: StreamIn | undefined
  /** The client has sent all of its request. */
  remoteEnded = false
  /** All of our answer has been sent, trailers included. */
  localEnded = false
  /** The stream is forgotten: anything that its handler still does has no effect. */
  gone = false
  /** Bytes that the client accepts; may be negative (RFC 9113, section 6.9.2). */
  sendWindow: number
  /** Bytes that the client may send. */
  receiveWindow = streamWindowBytes
  /** Sweeps since this stream's answer was complete. */
  #endedSweeps = 0
  /** The declared length of the request, and the bytes received so far. */
  readonly #contentLength: number | undefined
  #received = 0
  #uncredited = 0
  #paused = false
  #held = 0
  #ignored = 0
  #opened = false
  #ending = false
  #waiting: WaitingAnswer | undefined

  constructor(host: StreamHost<Stream>, id: number, sendWindow: number, contentLength: number | undefined) {
    this.#host = host
    this.answers = host.answers
    this.requests = host.requests
    this.id = id
    this.sendWindow = sendWindow
    this.#contentLength = contentLength
  }

  get peer(): string {
    return this.#host.peer
  }

  /** Queued bytes of the answer. */
  get pendingBytes(): number {
    return this.#waiting === undefined ? 0 : this.#waiting.bytes
  }

  receive(chunk: Buffer, start: number, end: number): void {
    this.#received += end - start
    if (this.#ending) this.#ignored += end - start
    else this.call?.data(chunk, start, end)
  }

  /**
   * A frame's payload has been consumed: grants the client as much again, unless we hold it back.
   * @returns false if the client sends too much after it has its answer
   */
  received(frameBytes: number): boolean {
    if (this.#paused) {
      this.#held += frameBytes
      this.#host.heldBytes += frameBytes
    }
    this.#uncredited += frameBytes
    this.#credit()
    return this.#ignored <= ignoredBytesMax
  }

  /** @returns false if the request is shorter or longer than declared (section 8.1.1) */
  endOfRequest(): boolean {
    this.remoteEnded = true
    if (this.#contentLength !== undefined && this.#contentLength !== this.#received) return false
    if (!this.#ending) this.call?.end()
    if (this.localEnded) this.#host.answered(this)
    return true
  }

  /** The client is gone, has reset the stream or violated the protocol. @param cancelled it does not want the answer */
  close(cancelled = false): void {
    if (this.gone) return
    this.gone = true
    this.#release()
    this.#drop()
    const call = this.call
    this.call = undefined
    call?.closed(cancelled)
  }

  /**
   * Every five seconds: ends a stalled call.
   * @returns false if the client has had its answer for long, and has not ended its request
   */
  sweep(): boolean {
    if (this.#waiting?.sweep()) {
      // A call that still runs says why it ends; a complete answer can only be cut off.
      if (this.#ending) this.#host.cutOff(this)
      else this.call?.stalled()
    }
    this.call?.sweep()
    if (this.localEnded) this.#endedSweeps += 1
    return this.#endedSweeps <= halfOpenSweepsMax
  }

  write(message: Uint8Array, rest?: Rest): boolean {
    if (this.gone || this.#ending) return true
    this.#open()
    const waiting = this.#wait()
    waiting.add(message, rest)
    this.#host.wants(this)
    return waiting.hasRoom()
  }

  end(message: Uint8Array | undefined, trailers: Fields): void {
    if (this.gone || this.#ending) return
    this.#ending = true
    this.resume()
    const { output } = this.#host
    if (!message && !this.#opened) {
      output.headers(this.id, trailersOnlyBlock(trailers), true)
      this.#ended()
      return
    }
    this.#open()
    const block = trailersBlock(trailers)
    if (message && this.#fits(message.length)) this.#spend(writeWhole(output, this.id, message))
    else if (message) this.#wait().add(message)
    const waiting = this.#waiting
    if (waiting && waiting.bytes > 0) {
      waiting.trailers = block
      this.#host.wants(this)
    } else {
      output.headers(this.id, block, true)
      this.#ended()
    }
  }

  abandon(trailers: Fields): void {
    if (this.gone || this.#ending) return
    this.#drop()
    this.end(undefined, trailers)
  }

  refuse(status: number, text: string): void {
    if (this.gone || this.#ending) return
    this.#ending = true
    this.#host.output.headers(this.id, plainBlock(status), false)
    this.#wait().addPlain(Buffer.from(text))
    this.#host.wants(this)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#release()
    if (!this.gone) this.#credit()
  }

  /** Sends one DATA frame of at most this many bytes, and the trailers after the last one. */
  sendFrame(bytesMax: number): void {
    const waiting = this.#waiting
    if (!waiting) return
    const { output } = this.#host
    const length = Math.min(bytesMax, waiting.bytes, framePayloadBytesMax)
    const last = waiting.plain && length === waiting.bytes
    output.frameHead(FrameType.DATA, last ? Flag.END_STREAM : 0, this.id, length)
    waiting.send(output, length)
    this.#spend(length)
    if (waiting.bytes === 0 && waiting.trailers) {
      output.headers(this.id, waiting.trailers, true)
      this.#ended()
    } else if (last) {
      this.#ended()
    } else if (waiting.hasRoomAgain()) {
      this.call?.drained()
    }
  }

  #open(): void {
    if (this.#opened) return
    this.#opened = true
    this.#host.output.headers(this.id, openingBlock, false)
  }

  /** Can the last message be sent in one frame with headers and trailers, whatever else is queued? */
  #fits(length: number): boolean {
    const { sendWindow, output } = this.#host
    const needed = length + prefixBytes
    const windowBytes = Math.min(this.sendWindow, sendWindow)
    return needed <= framePayloadBytesMax && needed <= windowBytes && this.pendingBytes === 0 && !output.blocked
  }

  #spend(bytes: number): void {
    this.sendWindow -= bytes
    this.#host.sendWindow -= bytes
  }

  #wait(): WaitingAnswer {
    this.#waiting ??= new WaitingAnswer(this.answers)
    return this.#waiting
  }

  #drop(): void {
    this.#waiting?.drop()
    this.#waiting = undefined
  }

  #ended(): void {
    this.localEnded = true
    this.call = undefined
    this.#host.output.schedule()
    this.#host.answered(this)
  }

  #credit(): void {
    if (this.#paused || this.remoteEnded || this.#uncredited < creditBytes) return
    this.#host.output.windowUpdate(this.id, this.#uncredited)
    this.#host.output.schedule()
    this.receiveWindow += this.#uncredited
    this.#uncredited = 0
  }

  #release(): void {
    if (this.#held === 0) return
    this.#host.heldBytes -= this.#held
    this.#held = 0
    this.#host.released()
  }
}
