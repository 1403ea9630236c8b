import type { Accept, Load } from '../stream.ts'
import type { Head } from './head.ts'
import type { Output } from './output.ts'
import { ConnectionError, ErrorCode, windowBytesDefault, windowBytesMax } from './protocol.ts'
import type { Rations } from './rations.ts'
import { Stream, type StreamHost } from './stream.ts'

/** What a client may send ahead on all streams together, and how much of it is used when it gets more. */
export const connectionWindowBytes = 16 * 1024 * 1024
const creditBytes = connectionWindowBytes / 2
/** Requests that wait for slow handlers; beyond it the whole connection waits. */
const heldBytesMax = 64 * 1024 * 1024
/** Answers that wait for a client that gives no room; beyond it no more calls begin, and those there are slow down. */
const pendingBytesMax = 64 * 1024 * 1024
/** The same for all connections together; a connection that has no more than its share waiting is not slowed by others. */
const pendingBytesMaxAll = 256 * 1024 * 1024
const pendingBytesShare = 1024 * 1024
/** Sweeps, of five seconds each, in which a client has to end a request that has its answer. */
const halfOpenSweepsMax = 6

/** What all connections of a server share. */
export interface Answers {
  /** Bytes of answers that wait for clients. */
  pendingBytes: number
}

export interface StreamsOptions {
  readonly answers: Answers
  readonly accept: Accept
  /** Streams at once; also handlers at once, of which those whose stream was reset still count. */
  readonly streamsMax: number
}

/** The open streams of a connection: their turns to send, and the windows that they share. */
export class Streams implements StreamHost {
  readonly peer: string
  readonly output: Output
  sendWindow = windowBytesDefault
  heldBytes = 0
  #pendingBytes = 0
  #room: PromiseWithResolvers<void> | undefined
  readonly #options: StreamsOptions
  readonly #rations: Rations
  /** Told each time that a stream is closed or has its answer. */
  readonly #progress: () => void
  readonly #load: Load = { running: 0 }
  readonly #open = new Map<number, Stream>()
  /** Those with answers that wait and room for them: a frame each in turn. */
  readonly #ready = new Set<Stream>()
  #receiveWindow = connectionWindowBytes
  #uncredited = 0

  constructor(peer: string, output: Output, rations: Rations, options: StreamsOptions, progress: () => void) {
    this.peer = peer
    this.output = output
    this.#rations = rations
    this.#options = options
    this.#progress = progress
  }

  /** True when every stream has its answer. */
  get answeredAll(): boolean {
    for (const { localEnded } of this.#open.values()) if (!localEnded) return false
    return true
  }

  get crowded(): boolean {
    if (this.#pendingBytes > pendingBytesMax) return true
    return this.#options.answers.pendingBytes > pendingBytesMaxAll && this.#pendingBytes > pendingBytesShare
  }

  pending(bytes: number): void {
    this.#pendingBytes += bytes
    this.#options.answers.pendingBytes += bytes
    if (this.#room && !this.crowded) this.#wake()
  }

  room(): Promise<void> | undefined {
    if (!this.crowded) return undefined
    this.#room ??= Promise.withResolvers()
    return this.#room.promise
  }

  #wake(): void {
    this.#room?.resolve()
    this.#room = undefined
  }

  get(id: number): Stream | undefined {
    return this.#open.get(id)
  }

  /** Begins a call, if there may be one more. @param head undefined when the headers were too large */
  begin(id: number, head: Head | undefined, sendWindow: number): Stream | undefined {
    const { streamsMax, accept } = this.#options
    if (this.#open.size >= streamsMax || this.#load.running >= streamsMax || this.#pendingBytes > pendingBytesMax) {
      this.#rations.spendIdleFrame()
      this.output.reset(id, ErrorCode.REFUSED_STREAM)
      return undefined
    }
    const stream = new Stream(this, id, sendWindow, head?.contentLength)
    this.#open.set(id, stream)
    if (!head) stream.refuse(431, 'the headers are too large\n')
    else {
      const call = accept(head, stream, this.#load)
      if (!stream.localEnded) stream.call = call
    }
    return stream
  }

  /** Ends a stream for the client's fault, or with NO_ERROR because it has had enough. */
  reset(stream: Stream, code: ErrorCode): void {
    if (code !== ErrorCode.NO_ERROR) this.#rations.spendReset()
    this.output.reset(stream.id, code)
    this.close(stream)
  }

  /** Ends a stream that the client has reset. */
  close(stream: Stream): void {
    stream.close()
    this.#forget(stream)
  }

  closeAll(): void {
    const streams = [...this.#open.values()]
    this.#open.clear()
    this.#ready.clear()
    for (const stream of streams) stream.close()
    this.#wake()
  }

  /** Every five seconds. */
  sweep(): void {
    for (const stream of this.#open.values()) {
      if (!stream.localEnded) continue
      stream.sweeps += 1
      if (stream.sweeps > halfOpenSweepsMax) this.reset(stream, ErrorCode.NO_ERROR)
    }
  }

  // Windows.

  /** DATA came, for whatever stream. @throws ConnectionError when it is more than was allowed */
  spendReceiveWindow(bytes: number): void {
    this.#receiveWindow -= bytes
    if (this.#receiveWindow < 0) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than allowed')
    this.#uncredited += bytes
    this.released()
  }

  released(): void {
    if (this.#uncredited < creditBytes || this.heldBytes > heldBytesMax) return
    this.output.windowUpdate(0, this.#uncredited)
    this.#receiveWindow += this.#uncredited
    this.#uncredited = 0
    this.output.schedule()
  }

  growSendWindow(bytes: number): void {
    this.sendWindow += bytes
    if (this.sendWindow > windowBytesMax) throw windowTooLarge()
    this.pump()
  }

  growStream(stream: Stream, bytes: number): void {
    stream.sendWindow += bytes
    if (bytes === 0) this.reset(stream, ErrorCode.PROTOCOL_ERROR)
    else if (stream.sendWindow > windowBytesMax) this.reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
    else this.#queue(stream)
    this.pump()
  }

  /** Section 6.9.2: when the client changes what a stream begins with, those that are open move along. */
  growStreams(bytes: number): void {
    for (const stream of this.#open.values()) {
      stream.sendWindow += bytes
      if (stream.sendWindow > windowBytesMax) throw windowTooLarge()
      this.#queue(stream)
    }
    this.pump()
  }

  // Answers.

  wants(stream: Stream): void {
    this.#queue(stream)
    this.pump()
    this.output.schedule()
  }

  answered(stream: Stream): void {
    if (!stream.remoteEnded || stream.gone) {
      this.#progress()
      return
    }
    stream.gone = true
    this.#forget(stream)
  }

  /** Sends what waits, as far as the client and the socket take it. */
  pump(): void {
    for (const stream of this.#ready) {
      if (this.sendWindow <= 0 || this.output.blocked) return
      this.#ready.delete(stream)
      if (stream.sendWindow <= 0 || stream.pendingBytes === 0) continue
      stream.sendFrame(Math.min(stream.sendWindow, this.sendWindow))
      this.#queue(stream)
    }
  }

  #queue(stream: Stream): void {
    if (stream.pendingBytes > 0 && stream.sendWindow > 0) this.#ready.add(stream)
  }

  #forget(stream: Stream): void {
    this.#open.delete(stream.id)
    this.#ready.delete(stream)
    this.#progress()
  }
}

function windowTooLarge(): ConnectionError {
  return new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window beyond 2^31 - 1')
}
