import type { X509Certificate } from 'node:crypto'
import type { Account } from '../account.ts'
import type { Ledger } from '../ledger.ts'
import type { Accept, Load, Work } from '../stream.ts'
import type { AbuseLimits } from './abuse-limits.ts'
import { type ClosedBy, ClosedStreams } from './closed.ts'
import { expectWindow } from './frame-rules.ts'
import type { Head } from './head.ts'
import type { Output } from './output.ts'
import { ConnectionError, ErrorCode, windowBytesDefault, windowBytesMax } from './protocol.ts'
import { Stream } from './stream.ts'
import type { StreamHost } from './stream-host.ts'

/** What a client may send ahead on all streams together, and how much is used up before it is granted more. */
export const connectionWindowBytes = 16 * 1024 * 1024
const creditBytes = connectionWindowBytes / 2
/** Requests that wait for slow handlers; beyond this the whole connection waits. */
const heldBytesMax = 64 * 1024 * 1024
/** Headers that are too large still have to be read: they count as this many resets. */
const largeHeadersCost = 50

export interface StreamsOptions {
  /** Memory that all connections of the server share: for answers, and for requests. */
  readonly answers: Ledger
  readonly requests: Ledger
  readonly accept: Accept
  /** Concurrent streams; also concurrent handlers, including those whose stream was reset. */
  readonly streamsMax: number
}

/** The open streams of a connection: their turns to send, and the windows that they share. */
export class Streams implements StreamHost<Stream> {
  readonly peer: string
  readonly output: Output
  readonly answers: Account
  readonly requests: Account
  sendWindow = windowBytesDefault
  heldBytes = 0
  readonly #options: StreamsOptions
  readonly #abuseLimits: AbuseLimits
  /** Called each time a stream is closed or has its answer. */
  readonly #progress: () => void
  readonly #load: Load
  readonly #open = new Map<number, Stream>()
  /** Streams with answer data to send and window for it: a frame each in turn. */
  readonly #ready = new Set<Stream>()
  readonly #closed = new ClosedStreams()
  #receiveWindow = connectionWindowBytes
  #uncredited = 0

  /**
   * @param address the client's, without its port
   * @param work counts what its calls cost
   * @param certificate what it has presented, verified
   */
  constructor(
    address: string,
    port: number,
    output: Output,
    abuseLimits: AbuseLimits,
    options: StreamsOptions,
    progress: () => void,
    work: Work,
    certificate: X509Certificate | undefined,
  ) {
    this.#load = { running: 0, work, certificate }
    this.peer = `${address}:${port}`
    this.answers = options.answers.open(address)
    this.requests = options.requests.open(address)
    this.output = output
    this.#abuseLimits = abuseLimits
    this.#options = options
    this.#progress = progress
  }

  get empty(): boolean {
    return this.#open.size === 0
  }

  /** True when every stream has its answer. */
  get answeredAll(): boolean {
    for (const { localEnded } of this.#open.values()) if (!localEnded) return false
    return true
  }

  get(id: number): Stream | undefined {
    return this.#open.get(id)
  }

  /** A stream that was not started, or not even opened by us: what the client still sends for it is already in flight. */
  refuse(id: number, code: ErrorCode): void {
    this.#closed.add(id, 'us')
    this.output.reset(id, code)
  }

  /** A stream that is not served because the server is draining; the client was told. */
  passOver(id: number): void {
    this.#closed.add(id, 'us')
  }

  closedBy(id: number, lastId: number): ClosedBy {
    return this.#closed.closedBy(id, lastId)
  }

  /** Begins a call, if there is room for one more. @param head undefined if the headers were too large */
  begin(id: number, head: Head | undefined, sendWindow: number): Stream | undefined {
    const { streamsMax, accept } = this.#options
    if (this.#open.size >= streamsMax || this.#load.running >= streamsMax || this.answers.overdrawn) {
      this.#abuseLimits.spendIdleFrame()
      this.refuse(id, ErrorCode.REFUSED_STREAM)
      return undefined
    }
    const stream = new Stream(this, id, sendWindow, head?.contentLength)
    this.#open.set(id, stream)
    if (!head) {
      this.#abuseLimits.spendReset(largeHeadersCost)
      stream.refuse(431, 'the headers are too large\n')
    } else {
      const call = accept(head, stream, this.#load)
      if (!stream.localEnded) stream.call = call
    }
    return stream
  }

  /** Ends a stream because of the client, or with NO_ERROR because it has had enough. */
  reset(stream: Stream, code: ErrorCode): void {
    if (code !== ErrorCode.NO_ERROR) this.#abuseLimits.spendReset()
    this.output.reset(stream.id, code)
    stream.close()
    this.#forget(stream, 'us')
  }

  /** Ends a stream that the client has reset. @param cancelled because it does not want the answer any more */
  close(stream: Stream, cancelled = false): void {
    stream.close(cancelled)
    this.#forget(stream, 'client')
  }

  closeAll(): void {
    const streams = [...this.#open.values()]
    this.#open.clear()
    this.#ready.clear()
    for (const stream of streams) stream.close()
    this.answers.close()
    this.requests.close()
  }

  /** Every five seconds. */
  sweep(): void {
    for (const stream of this.#open.values()) if (!stream.sweep()) this.reset(stream, ErrorCode.NO_ERROR)
  }

  cutOff(stream: Stream): void {
    this.output.reset(stream.id, ErrorCode.CANCEL)
    stream.close()
    this.#forget(stream, 'us')
  }

  // Windows.

  /** DATA arrived, for any stream. @throws ConnectionError if it is more than was allowed */
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
    expectWindow(this.sendWindow)
    this.pump()
  }

  growStream(stream: Stream, bytes: number): void {
    stream.sendWindow += bytes
    if (bytes === 0) this.reset(stream, ErrorCode.PROTOCOL_ERROR)
    else if (stream.sendWindow > windowBytesMax) this.reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
    else this.#queue(stream)
    this.pump()
  }

  /** Section 6.9.2: a change of the initial window also applies to open streams. */
  growStreams(bytes: number): void {
    for (const stream of this.#open.values()) {
      stream.sendWindow += bytes
      expectWindow(stream.sendWindow)
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
    this.#forget(stream, 'client')
  }

  /** Sends what is queued, as far as the client and the socket accept it. */
  pump(): void {
    for (const stream of this.#ready) {
      if (this.sendWindow <= 0 || this.output.blocked) return
      this.#ready.delete(stream)
      if (stream.sendWindow <= 0 || stream.pendingBytes === 0) continue
      this.#abuseLimits.earnUpdates()
      stream.sendFrame(Math.min(stream.sendWindow, this.sendWindow))
      this.#queue(stream)
    }
  }

  #queue(stream: Stream): void {
    if (stream.pendingBytes > 0 && stream.sendWindow > 0) this.#ready.add(stream)
  }

  #forget(stream: Stream, by: 'us' | 'client'): void {
    this.#closed.add(stream.id, by)
    this.#open.delete(stream.id)
    this.#ready.delete(stream)
    this.#progress()
  }
}
