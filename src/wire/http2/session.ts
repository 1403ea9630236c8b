import type { Socket } from 'node:net'
import { Incoming } from './incoming.ts'
import { Output } from './output.ts'
import { FrameParser } from './parser.ts'
import { ConnectionError, ErrorCode, FrameType, windowBytesMax } from './protocol.ts'
import { Rations } from './rations.ts'
import { Streams, type StreamsOptions } from './streams.ts'

export interface SessionOptions extends StreamsOptions {
  /** Told of an error that is ours; it has cost one connection. */
  readonly onBug: (error: unknown) => void
}

/** What may wait in the socket before nothing more is read from it. */
const unsentBytesMax = 4 * 1024 * 1024
/** Sweeps, of five seconds each, in which a client has to say that it speaks HTTP/2. */
const prefaceSweepsMax = 2
/** Sweeps of silence after which it is asked whether it is there, and in which it has to answer. */
const silentSweepsMax = 12
const unansweredSweepsMax = 4
/** How long the last bytes have to get out. */
const farewellMs = 1000

/** For whoever comes with HTTP/1.1: a browser, curl. */
const notHttp2 =
  'HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\nconnection: close\r\n' +
  'content-length: 46\r\n\r\nthis address speaks gRPC, that is, HTTP/2 only'

/** The life of one client's connection: the server's side of HTTP/2 without TLS (RFC 9113). */
export class Session {
  readonly #socket: Socket
  readonly #onBug: (error: unknown) => void
  readonly #output: Output
  readonly #rations: Rations
  readonly #streams: Streams
  readonly #incoming: Incoming
  readonly #parser: FrameParser
  #draining: 'no' | 'announced' | 'last call' = 'no'
  #over = false
  #heard = true
  #silentSweeps = 0
  #pingSweeps = -1

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket
    this.#onBug = options.onBug
    this.#output = new Output(socket)
    this.#rations = new Rations(options.streamsMax)
    const peer = `${socket.remoteAddress}:${socket.remotePort}`
    this.#streams = new Streams(peer, this.#output, this.#rations, options, () => this.#endIfDrained())
    this.#incoming = new Incoming(this.#streams, this.#rations, options.streamsMax, () => this.#lastCall())
    this.#parser = new FrameParser(this.#incoming)
    socket.setNoDelay(true)
    socket.on('drain', () => this.#drained())
    // `close` follows both.
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.destroy())
    socket.on('close', () => this.#closed())
  }

  /** Takes what came; the bytes are the caller's again when it returns. */
  read(chunk: Buffer): void {
    if (this.#over) return
    this.#heard = true
    try {
      this.#parser.push(chunk)
    } catch (error) {
      this.#fail(error)
      return
    }
    this.#output.flush()
    // Whoever does not read gets nothing more done.
    if (this.#socket.writableLength > unsentBytesMax) this.#socket.pause()
  }

  /** Takes no more calls, lets those in flight end, then closes. */
  drain(): void {
    if (this.#draining !== 'no' || this.#over) return
    this.#draining = 'announced'
    if (!this.#parser.begun) {
      this.destroy()
      return
    }
    // Section 6.8: a notice first, so that calls which are on their way when it is sent are
    // still served; the answer to the ping comes after them.
    this.#goAway(windowBytesMax, ErrorCode.NO_ERROR, '')
    this.#ping()
    this.#output.flush()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Every five seconds: refills what is rationed and ends what has lasted too long. */
  sweep(): void {
    this.#rations.refill()
    this.#streams.sweep()
    this.#silentSweeps = this.#heard ? 0 : this.#silentSweeps + 1
    this.#heard = false
    this.#pingSweeps = this.#silentSweeps < silentSweepsMax ? -1 : this.#pingSweeps + 1
    if (this.#pingSweeps === 0) this.#ping()
    if (this.#pingSweeps > unansweredSweepsMax || (!this.#parser.begun && this.#silentSweeps >= prefaceSweepsMax))
      this.destroy()
    this.#output.flush()
  }

  #drained(): void {
    if (this.#socket.isPaused()) this.#socket.resume()
    this.#streams.pump()
    this.#output.flush()
  }

  /** The second notice says which calls were the last. */
  #lastCall(): void {
    if (this.#draining !== 'announced') return
    this.#draining = 'last call'
    this.#incoming.serveNoMore()
    this.#goAway(this.#incoming.lastId, ErrorCode.NO_ERROR, '')
    this.#endIfDrained()
  }

  #endIfDrained(): void {
    if (this.#draining !== 'last call' || this.#over || !this.#streams.answeredAll) return
    this.#over = true
    this.#output.flush()
    this.#leave()
  }

  /** The client broke the protocol, or we have a bug: either way the connection is lost. */
  #fail(error: unknown): void {
    this.#over = true
    const known = error instanceof ConnectionError
    if (!known) this.#onBug(error)
    if (this.#parser.begun) {
      const code = known ? error.code : ErrorCode.INTERNAL_ERROR
      this.#goAway(this.#incoming.lastId, code, known ? error.message : '')
      this.#output.flush()
    } else this.#socket.write(notHttp2)
    this.#streams.closeAll()
    this.#leave()
  }

  /** Ends the connection once the last bytes are out, or when they do not get out. */
  #leave(): void {
    // What the client still sends has to be read, or the system would cut off what we sent.
    this.#socket.resume()
    this.#socket.end()
    const timer = setTimeout(() => this.#socket.destroy(), farewellMs)
    timer.unref()
    this.#socket.once('close', () => clearTimeout(timer))
  }

  #closed(): void {
    this.#over = true
    this.#streams.closeAll()
  }

  #ping(): void {
    this.#output.frameHead(FrameType.PING, 0, 0, 8)
    this.#output.uint32(0)
    this.#output.uint32(0)
  }

  #goAway(lastId: number, code: ErrorCode, why: string): void {
    const text = Buffer.from(why)
    this.#output.frameHead(FrameType.GOAWAY, 0, 0, 8 + text.length)
    this.#output.uint32(lastId)
    this.#output.uint32(code)
    this.#output.bytes(text)
  }
}
