import type { Socket } from 'node:net'
import type { Connection } from '../connection.ts'
import { destroySoon } from '../farewell.ts'
import type { Work } from '../stream.ts'
import type { Strikes } from '../strikes.ts'
import { certificateOf } from '../tls/handshake.ts'
import { AbuseLimits } from './abuse-limits.ts'
import { writeGoAway, writePing } from './connection-frames.ts'
import { HeldInput } from './held-input.ts'
import { Incoming } from './incoming.ts'
import { Output } from './output.ts'
import { FrameParser } from './parser.ts'
import { Patience } from './patience.ts'
import { ConnectionError, ErrorCode, windowBytesMax } from './protocol.ts'
import { Streams, type StreamsOptions } from './streams.ts'
import { sliceUnits, type Turns, type Waiting } from './turns.ts'

export interface SessionOptions extends StreamsOptions {
  readonly strikes: Strikes
  readonly turns: Turns
  /** Called with an error that is our bug; it has cost one connection. */
  readonly onBug: (error: unknown) => void
}

/** Bytes that may be queued in the socket before we stop reading from it. */
const unsentBytesMax = 4 * 1024 * 1024

/** The life of one client's connection: the server's side of HTTP/2 (RFC 9113). */
export class Session implements Connection, Waiting {
  readonly address: string
  readonly #socket: Socket
  readonly #onBug: (error: unknown) => void
  readonly #turns: Turns
  readonly #work: Work = { units: 0 }
  readonly #strikes: Strikes
  readonly #output: Output
  readonly #abuseLimits: AbuseLimits
  readonly #streams: Streams
  readonly #incoming: Incoming
  readonly #parser: FrameParser
  readonly #patience: Patience
  readonly #held: HeldInput
  /** Units done on arrival in this turn of the event loop, and which turn that is. */
  #unitsRead = 0
  #turn = 0
  #draining: 'no' | 'announced' | 'last call' = 'no'
  #over = false

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket
    this.#onBug = options.onBug
    this.#turns = options.turns
    this.#held = new HeldInput(options.turns)
    this.#output = new Output(socket)
    this.address = socket.remoteAddress ?? 'unknown'
    this.#strikes = options.strikes
    this.#abuseLimits = new AbuseLimits(options.streamsMax, options.strikes.count(this.address))
    const port = socket.remotePort ?? 0
    this.#streams = new Streams(
      this.address,
      port,
      this.#output,
      this.#abuseLimits,
      options,
      () => this.#endIfDrained(),
      this.#work,
      certificateOf(socket),
    )
    this.#incoming = new Incoming(this.#streams, this.#abuseLimits, options.streamsMax, () => this.#lastCall())
    this.#parser = new FrameParser(this.#incoming, true, this.#work)
    this.#patience = new Patience(socket)
    socket.setNoDelay(true)
    socket.on('drain', () => this.#drained())
    // `close` follows both.
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.destroy())
    socket.on('close', () => this.#closed())
  }

  /** Processes received bytes; they belong to the caller again when it returns. */
  read(chunk: Buffer): void {
    if (this.#over) return
    this.#patience.heard()
    if (!this.#held.isEmpty) {
      this.#keep(chunk)
      return
    }
    const unitsMax = this.#turns.mayHold(chunk.length) ? this.#turns.left : Number.POSITIVE_INFINITY
    const end = this.#take(chunk, 0, unitsMax)
    this.#turns.spend(this.#work.units)
    if (end < chunk.length && !this.#over) this.#keep(chunk.subarray(end))
    else if (this.#choked) this.#socket.pause()
    else this.#restIfDone()
  }

  /** Something is waiting, and the client reads its answers. */
  get waits(): boolean {
    return !this.#held.isEmpty && !this.#choked
  }

  turn(unitsMax: number): number {
    if (this.#held.isEmpty || this.#socket.destroyed) {
      this.#held.drop()
      return 0
    }
    this.#patience.heard()
    this.#held.take((bytes, start) => this.#take(bytes, start, unitsMax))
    if (this.#held.isEmpty && !this.#choked) this.#socket.resume()
    return this.#work.units
  }

  readOn(): void {
    if (this.#held.isEmpty && !this.#choked) this.#socket.resume()
  }

  /** Accepts no more calls, lets those in flight finish, then closes. */
  drain(): void {
    if (this.#draining !== 'no' || this.#over) return
    this.#draining = 'announced'
    if (!this.#parser.begun) {
      this.destroy()
      return
    }
    // Section 6.8: a first GOAWAY, so that calls in flight when it is sent are still served; the answer to the ping
    // arrives after them.
    writeGoAway(this.#output, windowBytesMax, ErrorCode.NO_ERROR, '')
    writePing(this.#output)
    this.#output.flush()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Every five seconds: refills the abuse limits and ends what has taken too long. */
  sweep(): void {
    this.#abuseLimits.refill()
    this.#streams.sweep()
    const found = this.#patience.sweep(this.#parser.begun)
    if (found === 'slow') this.#strikes.fault(this.address)
    if (found === 'silent') writePing(this.#output)
    else if (found !== undefined) this.destroy()
    this.#output.flush()
  }

  /** True if it has no calls and has been silent for a while: it may be closed when others need its place. */
  get idle(): boolean {
    return this.#patience.quiet && this.#streams.empty && this.#held.isEmpty
  }

  /** @returns where in the chunk it stopped, after this many units */
  #take(chunk: Buffer, start: number, unitsMax: number): number {
    this.#work.units = 0
    let end = chunk.length
    try {
      end = this.#parser.push(chunk, start, unitsMax)
    } catch (error) {
      this.#fail(error)
      return chunk.length
    }
    this.#output.flush()
    return end
  }

  /** A connection that has used its share reads nothing more in this turn of the event loop. */
  #restIfDone(): void {
    if (this.#turn !== this.#turns.number) this.#unitsRead = 0
    this.#turn = this.#turns.number
    this.#unitsRead += this.#work.units
    if (this.#unitsRead < sliceUnits || this.#over) return
    this.#socket.pause()
    this.#turns.rest(this)
  }

  /** Keeps what has to wait for a turn, and reads nothing more until it is done. */
  #keep(bytes: Buffer): void {
    this.#held.add(bytes)
    this.#socket.pause()
    if (this.waits) this.#turns.wait(this)
  }

  /** Nothing more is done for a client that does not read. */
  get #choked(): boolean {
    return this.#socket.writableLength > unsentBytesMax
  }

  #drained(): void {
    if (!this.#held.isEmpty) this.#turns.wait(this)
    else if (this.#socket.isPaused()) this.#socket.resume()
    this.#streams.pump()
    this.#output.flush()
  }

  /** The second GOAWAY says which calls were the last. */
  #lastCall(): void {
    if (this.#draining !== 'announced') return
    this.#draining = 'last call'
    this.#incoming.serveNoMore()
    writeGoAway(this.#output, this.#incoming.lastId, ErrorCode.NO_ERROR, '')
    this.#endIfDrained()
  }

  #endIfDrained(): void {
    if (this.#draining !== 'last call' || this.#over || !this.#streams.answeredAll) return
    this.#over = true
    this.#output.flush()
    this.#leave()
  }

  /** The client violated the protocol, or we have a bug: either way the connection is lost. */
  #fail(error: unknown): void {
    this.#over = true
    const known = error instanceof ConnectionError
    if (!known) this.#onBug(error)
    else if (error.code === ErrorCode.ENHANCE_YOUR_CALM) this.#strikes.add(this.address)
    else this.#strikes.fault(this.address)
    if (this.#parser.begun) {
      const code = known ? error.code : ErrorCode.INTERNAL_ERROR
      writeGoAway(this.#output, this.#incoming.lastId, code, known ? error.message : '')
      this.#output.flush()
    }
    this.#streams.closeAll()
    this.#leave()
  }

  /** Ends the connection once the last bytes have been sent, or cannot be. */
  #leave(): void {
    this.#held.drop()
    this.#turns.leave(this)
    // What the client still sends has to be read, or the system would cut off what we sent.
    this.#socket.resume()
    this.#socket.end()
    destroySoon(this.#socket)
  }

  #closed(): void {
    this.#over = true
    this.#held.drop()
    this.#turns.leave(this)
    this.#streams.closeAll()
  }
}
