import type { Socket } from 'node:net'
import { type GrpcPlace, placeText } from '../../core/address.ts'
import { errnoOf } from '../../core/failure.ts'
import { dial } from '../dial.ts'
import { Code, RpcError } from '../rpc.ts'
import type { ClientTls } from '../tls/client-tls.ts'
import { handshakeProblem } from '../tls/handshake-errors.ts'
import { connectionWindowBytes, ReceiveCredit } from './client-credit.ts'
import { type ClientConnection, ClientIncoming, headerListBytesMax } from './client-incoming.ts'
import { Patience } from './client-patience.ts'
import { SendQueue } from './client-send-queue.ts'
import { type Answer, type ClientHost, ClientStream } from './client-stream.ts'
import { writeGoAway, writePing, writeSettings } from './connection-frames.ts'
import { Output } from './output.ts'
import { FrameParser } from './parser.ts'
import { ConnectionError, ErrorCode, preface, Setting } from './protocol.ts'
import { defaultSettings, type PeerSettings } from './settings.ts'

export interface ClientOptions {
  readonly place: GrpcPlace
  readonly tls: ClientTls | undefined
  /** What the server may send ahead on one stream. */
  readonly windowBytes: number
  /** How often a silent server is pinged while it has calls. */
  readonly keepaliveMs: number
}

const readBytes = 64 * 1024
/** A TLS alert record, which gives the reason (RFC 8446, section 6): a TLS server's reaction to our preface. */
const tlsAlert = 0x15
/** Stream identifiers have 31 bits. */
const lastIdMax = 2 ** 31 - 1

/** One connection to a server: the client's side of HTTP/2 (RFC 9113). It starts connecting at once. */
export class ClientSession implements ClientConnection, ClientHost {
  readonly output: Output
  readonly windowBytes: number
  readonly sends: SendQueue
  readonly #where: string
  readonly #socket: Socket
  readonly #parser = new FrameParser(new ClientIncoming(this), false)
  readonly #streams = new Map<number, ClientStream>()
  readonly #patience: Patience
  readonly #credit: ReceiveCredit
  #settings = defaultSettings
  #nextId = 1
  /** Nothing has arrived yet. */
  #silent = true
  #retired = false
  #over = false
  #why: RpcError | undefined

  readonly #ended: () => void

  /** @param ended called once the connection is over */
  constructor({ place, tls, windowBytes, keepaliveMs }: ClientOptions, ended: () => void) {
    this.#ended = ended
    this.#where = placeText(place)
    this.windowBytes = windowBytes
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    const callback = (length: number) => {
      this.#read(buffer.subarray(0, length))
      return true
    }
    const socket = dial(place, tls, { buffer, callback }, () => this.#patience.heard())
    this.#socket = socket
    this.output = new Output(socket)
    this.sends = new SendQueue(this.output)
    this.#credit = new ReceiveCredit(this.output)
    this.#patience = new Patience(this, keepaliveMs)
    socket.on('drain', () => {
      this.sends.pump()
      this.output.flush()
    })
    socket.on('error', (error) => {
      const problem = handshakeProblem(error) ?? errnoOf(error) ?? 'the connection broke'
      this.#why ??= unavailable(`${this.#where}: ${problem}`, error)
    })
    socket.on('close', () => this.#closed())
    this.#greet()
  }

  /** May a call begin here? */
  get usable(): boolean {
    return !this.#retired && !this.#over && this.#streams.size < this.#settings.streamsMax && this.#nextId <= lastIdMax
  }

  /** Begins a call. @param block its header fields, encoded */
  open(block: Uint8Array, answer: Answer): ClientStream {
    const stream = new ClientStream(this, this.#nextId, this.#settings.initialWindow, answer)
    this.#nextId += 2
    if (this.#streams.size === 0) this.#socket.ref()
    this.#streams.set(stream.id, stream)
    this.output.headers(stream.id, block, false)
    this.output.schedule()
    return stream
  }

  /** No more calls: the connection ends with the last open one. */
  retire(): void {
    this.#retired = true
    this.#endIfDone()
  }

  /** Ends the connection and all its calls. */
  destroy(error: RpcError): void {
    this.#why ??= error
    this.#over = true
    this.#socket.destroy()
    this.#closed()
  }

  held(bytes: number): void {
    if (!this.#over) this.#credit.hold(bytes)
  }

  forget(stream: ClientStream): void {
    this.#streams.delete(stream.id)
    this.sends.forget(stream)
    if (this.#streams.size > 0) return
    // A connection without calls does not keep the process alive.
    this.#socket.unref()
    this.#endIfDone()
  }

  // What the server's frames mean (client-incoming.ts).

  stream(id: number): ClientStream | undefined {
    return this.#streams.get(id)
  }

  opened(id: number): boolean {
    return id % 2 === 1 && id < this.#nextId
  }

  spendReceiveWindow(bytes: number): void {
    if (!this.#over) this.#credit.spend(bytes)
  }

  growSendWindow(bytes: number, stream: ClientStream | undefined): void {
    this.sends.grow(bytes, stream)
  }

  settings(settings: PeerSettings): void {
    const growth = settings.initialWindow - this.#settings.initialWindow
    this.#settings = settings
    this.sends.growAll(growth, this.#streams.values())
  }

  /** Section 6.8: what the server has not processed may be retried elsewhere. */
  goesAway(lastId: number): void {
    this.#retired = true
    const refused = unavailable(`${this.#where} is going away and did not take the call`)
    for (const stream of [...this.#streams.values()]) if (stream.id > lastId) stream.lost(refused)
    this.#endIfDone()
  }

  // What patience asks (client-patience.ts).

  get awaited(): boolean {
    return this.#streams.size > 0
  }

  ask(): void {
    writePing(this.output)
    this.output.flush()
  }

  giveUp(why: string): void {
    this.destroy(unavailable(`${this.#where}: ${why}`))
  }

  #greet(): void {
    this.output.bytes(preface)
    const settings = [
      [Setting.ENABLE_PUSH, 0],
      [Setting.INITIAL_WINDOW_SIZE, this.windowBytes],
      [Setting.MAX_HEADER_LIST_SIZE, headerListBytesMax],
    ] as const
    writeSettings(this.output, settings, connectionWindowBytes)
    this.output.schedule()
  }

  #read(chunk: Buffer): void {
    if (this.#over) return
    const first = this.#silent
    this.#silent = false
    if (first && chunk[0] === tlsAlert) {
      this.giveUp('it speaks TLS: write grpcs:// before it')
      return
    }
    this.#patience.heard()
    try {
      this.#parser.push(chunk)
    } catch (error) {
      this.#fail(error)
      return
    }
    this.output.flush()
  }

  /** The server broke the protocol, or we have a bug. */
  #fail(error: unknown): void {
    const known = error instanceof ConnectionError
    writeGoAway(this.output, 0, known ? error.code : ErrorCode.INTERNAL_ERROR, '')
    this.output.flush()
    this.destroy(
      known
        ? unavailable(`${this.#where} speaks no proper HTTP/2: ${error.message}`, error)
        : new RpcError(Code.INTERNAL, 'internal error', [], error),
    )
  }

  #endIfDone(): void {
    if (!this.#retired || this.#over || this.#streams.size > 0) return
    this.#over = true
    this.output.flush()
    // Nothing more is expected, so nothing can be missed.
    this.#socket.end(() => this.#socket.destroy())
  }

  #closed(): void {
    this.#over = true
    this.#patience.stop()
    const why = this.#why ?? unavailable(`${this.#where}: the connection was closed`)
    for (const stream of [...this.#streams.values()]) stream.lost(why)
    this.#ended()
  }
}

function unavailable(message: string, cause?: unknown): RpcError {
  return new RpcError(Code.UNAVAILABLE, message, [], cause)
}
