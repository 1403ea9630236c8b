import type { Rest } from '../rpc.ts'
import type { Fields, StreamIn, StreamOut } from '../stream.ts'
import { encodeFields } from './hpack.ts'
import type { Output } from './output.ts'
import { Pending, prefixBytes } from './pending.ts'
import { Flag, FrameType, framePayloadBytesMax } from './protocol.ts'

/** What a client may send ahead on one stream, and how much of it is used when it gets more. */
export const streamWindowBytes = 4 * 1024 * 1024
const creditBytes = streamWindowBytes / 2
/** Answers that wait for room: beyond the first the handler waits too, until below the second. */
const pendingBytesMax = 256 * 1024
const pendingBytesLow = 64 * 1024
/** Up to this a last message leaves with headers and trailers in one go, whatever else waits. */
const wholeBytesMax = framePayloadBytesMax - prefixBytes
/** What a client may still send after it has its answer, before it is told to stop (rule 7). */
const ignoredBytesMax = 64 * 1024 * 1024

const openingFields: Fields = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
]
/** Headers and trailers of nearly every answer, encoded once. */
const openingBlock = encodeFields(openingFields)
const okBlock = encodeFields([['grpc-status', '0']])

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly peer: string
  readonly output: Output
  /** Bytes that the client still takes on the whole connection. */
  sendWindow: number
  /** Bytes of answers began, or ceased, to wait on a stream. */
  pending(bytes: number): void
  /** True when more wait than should: each stream then waits after each message. */
  readonly crowded: boolean
  /** Settles when that is over, or the connection is; undefined when it is not so. */
  room(): Promise<void> | undefined
  /** Bytes that came on streams which are paused. */
  heldBytes: number
  /** Sends what waits on this stream as soon as its turn comes. */
  wants(stream: Stream): void
  /** A stream's answer is complete; once its request is too, the stream can be forgotten. */
  answered(stream: Stream): void
  /** Some held bytes are free again. */
  released(): void
}

/** One request and its answer. A class, since there is one for each call. */
export class Stream implements StreamOut {
  readonly id: number
  readonly #host: StreamHost
  call: StreamIn | undefined
  /** The client has sent all of its request. */
  remoteEnded = false
  /** Our answer is on its way, down to the trailers. */
  localEnded = false
  /** The stream is forgotten: whatever its handler still does leads nowhere. */
  gone = false
  /** Bytes that the client takes, may be negative (RFC 9113, section 6.9.2). */
  sendWindow: number
  /** Bytes that the client may send. */
  receiveWindow = streamWindowBytes
  pendingBytes = 0
  /** Sweeps that have seen this stream after its answer was complete. */
  sweeps = 0
  /** Bytes that the request has to have in all, and has had. */
  readonly #contentLength: number | undefined
  #received = 0
  #uncredited = 0
  #paused = false
  #held = 0
  #ignored = 0
  #opened = false
  #ending = false
  #full = false
  #pending: Pending | undefined
  #trailers: Uint8Array | undefined

  constructor(host: StreamHost, id: number, sendWindow: number, contentLength: number | undefined) {
    this.#host = host
    this.id = id
    this.sendWindow = sendWindow
    this.#contentLength = contentLength
  }

  get peer(): string {
    return this.#host.peer
  }

  // What comes from the client.

  receive(chunk: Buffer, start: number, end: number): void {
    this.#received += end - start
    if (this.#ending) this.#ignored += end - start
    else this.call?.data(chunk, start, end)
  }

  /**
   * A frame's payload has been taken: gives the client as much room again, unless we hold it back.
   * @returns false when the client sends too much after it has its answer
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

  /** @returns false when the request is shorter or longer than it said (section 8.1.1) */
  endOfRequest(): boolean {
    this.remoteEnded = true
    if (this.#contentLength !== undefined && this.#contentLength !== this.#received) return false
    if (!this.#ending) this.call?.end()
    if (this.localEnded) this.#host.answered(this)
    return true
  }

  /** The client has gone or reset the stream, or broke the protocol on it. */
  close(): void {
    if (this.gone) return
    this.gone = true
    this.#release()
    this.#host.pending(-this.pendingBytes)
    this.pendingBytes = 0
    this.#pending = undefined
    const call = this.call
    this.call = undefined
    call?.closed()
  }

  // What goes to the client.

  write(message: Uint8Array, rest?: Rest): boolean {
    if (this.gone || this.#ending) return true
    this.#open()
    this.#append(message, rest)
    this.#host.wants(this)
    this.#full = this.pendingBytes > pendingBytesMax || (this.pendingBytes > 0 && this.#host.crowded)
    return !this.#full
  }

  end(message: Uint8Array | undefined, trailers: Fields): void {
    if (this.gone || this.#ending) return
    this.#ending = true
    this.resume()
    const { output } = this.#host
    if (!message && !this.#opened) {
      output.headers(this.id, encodeFields([...openingFields, ...trailers]), true)
      this.#ended()
      return
    }
    this.#open()
    const block = trailers.length === 1 && trailers[0]?.[1] === '0' ? okBlock : encodeFields(trailers)
    if (message && this.#fits(message.length)) this.#sendWhole(message)
    else if (message) this.#append(message)
    if (this.pendingBytes > 0) {
      this.#trailers = block
      this.#host.wants(this)
    } else {
      output.headers(this.id, block, true)
      this.#ended()
    }
  }

  refuse(status: number, text: string): void {
    if (this.gone || this.#ending) return
    this.#ending = true
    const fields: Fields = [
      [':status', String(status)],
      ['content-type', 'text/plain'],
    ]
    this.#host.output.headers(this.id, encodeFields(fields), false)
    const body = Buffer.from(text)
    this.#host.output.frameHead(FrameType.DATA, Flag.END_STREAM, this.id, body.length)
    this.#host.output.bytes(body)
    // A window that is smaller than this line of text is not worth waiting for.
    this.sendWindow -= body.length
    this.#host.sendWindow -= body.length
    this.#ended()
  }

  room(): Promise<void> | undefined {
    return this.gone ? undefined : this.#host.room()
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

  /** Sends one DATA frame of at most so many bytes, and the trailers after the last. */
  sendFrame(bytesMax: number): void {
    const { output } = this.#host
    const length = Math.min(bytesMax, this.pendingBytes, framePayloadBytesMax)
    output.frameHead(FrameType.DATA, 0, this.id, length)
    this.#pending?.writeTo(output, length)
    this.#spend(length)
    this.pendingBytes -= length
    this.#host.pending(-length)
    if (this.pendingBytes === 0 && this.#trailers) {
      output.headers(this.id, this.#trailers, true)
      this.#ended()
    } else if (this.#full && this.pendingBytes < pendingBytesLow) {
      this.#full = false
      this.call?.drained()
    }
  }

  #open(): void {
    if (this.#opened) return
    this.#opened = true
    this.#host.output.headers(this.id, openingBlock, false)
  }

  /** Can the last message leave at once, in one frame? */
  #fits(length: number): boolean {
    const { sendWindow, output } = this.#host
    const needed = length + prefixBytes
    return (
      length <= wholeBytesMax &&
      this.pendingBytes === 0 &&
      needed <= this.sendWindow &&
      needed <= sendWindow &&
      !output.blocked
    )
  }

  #sendWhole(message: Uint8Array): void {
    const { output } = this.#host
    const length = message.length
    output.frameHead(FrameType.DATA, 0, this.id, length + prefixBytes)
    output.byte(0)
    output.uint32(length)
    output.bytes(message)
    this.#spend(length + prefixBytes)
  }

  #spend(bytes: number): void {
    this.sendWindow -= bytes
    this.#host.sendWindow -= bytes
  }

  #append(message: Uint8Array, rest?: Rest): void {
    this.#pending ??= new Pending()
    const bytes = this.#pending.append(message, rest)
    this.pendingBytes += bytes
    this.#host.pending(bytes)
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
