import { expectWindow } from './frame-rules.ts'
import type { Output } from './output.ts'
import { windowBytesDefault } from './protocol.ts'

/** A stream that may have request data to send. */
interface Sender {
  /** Bytes that the server still accepts on it. */
  sendWindow: number
  readonly pendingBytes: number
  /** Sends one DATA frame of at most this many bytes. */
  sendFrame(bytesMax: number): void
}

/** What waits to be sent, and how much of it the server accepts (RFC 9113, section 6.9). */
export class SendQueue {
  /** Bytes that the server still accepts on the whole connection. */
  sendWindow = windowBytesDefault
  readonly #output: Output
  /** Streams with request data to send and window for it: a frame each in turn. */
  readonly #ready = new Set<Sender>()

  constructor(output: Output) {
    this.#output = output
  }

  /** Sends what is queued on a stream when its turn comes. */
  wants(stream: Sender): void {
    this.#queue(stream)
    this.pump()
    this.#output.schedule()
  }

  forget(stream: Sender): void {
    this.#ready.delete(stream)
  }

  /** The server accepts more bytes, on one stream or on all together. @throws ConnectionError on overflow */
  grow(bytes: number, stream: Sender | undefined): void {
    const window = stream ?? this
    window.sendWindow += bytes
    expectWindow(window.sendWindow)
    if (stream) this.#queue(stream)
    this.pump()
  }

  /** Section 6.9.2: a change of the initial window also applies to open streams. @throws ConnectionError on overflow */
  growAll(bytes: number, streams: Iterable<Sender>): void {
    for (const stream of streams) {
      stream.sendWindow += bytes
      expectWindow(stream.sendWindow)
      this.#queue(stream)
    }
    this.pump()
  }

  /** Sends what is queued, as far as the server and the socket accept it. */
  pump(): void {
    for (const stream of this.#ready) {
      if (this.sendWindow <= 0 || this.#output.blocked) return
      this.#ready.delete(stream)
      if (stream.sendWindow <= 0 || stream.pendingBytes === 0) continue
      stream.sendFrame(Math.min(stream.sendWindow, this.sendWindow))
      this.#queue(stream)
    }
  }

  #queue(stream: Sender): void {
    if (stream.pendingBytes > 0 && stream.sendWindow > 0) this.#ready.add(stream)
  }
}
