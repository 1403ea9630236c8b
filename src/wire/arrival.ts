import type { Socket } from 'node:net'
import type { Connection } from './connection.ts'

/** HTTP/2 begins with this (RFC 9113, section 3.4); an HTTP/1.1 request never does. */
const preface = Buffer.from('PRI ')
/** The first byte of a TLS handshake record (RFC 8446, section 5.1); an HTTP request never begins with it. */
const tlsHandshake = 0x16
/** Sweeps, every five seconds, within which a client has to show which protocol it speaks. */
const silentSweepsMax = 2

export type Protocol = 'http2' | 'http1' | 'tls'

/** A connection whose protocol is not known yet: its first bytes tell, and are inspected once. */
export class Arrival implements Connection {
  readonly #socket: Socket
  readonly #decided: (protocol: Protocol, head: Buffer) => void
  readonly #slow: () => void
  readonly #read = (chunk: Buffer) => this.#take(chunk)
  readonly #fail = () => this.#socket.destroy()
  #head: Buffer = Buffer.alloc(0)
  #sweeps = 0

  /**
   * @param socket accepted with `pauseOnConnect`
   * @param slow called if the client began to send something, and did not continue in time
   * @param decided gets the bytes that arrived; by then nothing more is read from the socket
   */
  constructor(socket: Socket, slow: () => void, decided: (protocol: Protocol, head: Buffer) => void) {
    this.#socket = socket
    this.#decided = decided
    this.#slow = slow
    socket.on('data', this.#read)
    socket.on('end', this.#fail)
    socket.on('error', this.#fail)
    socket.resume()
  }

  get idle(): boolean {
    return this.#sweeps > 0
  }

  sweep(): void {
    this.#sweeps += 1
    if (this.#sweeps <= silentSweepsMax) return
    if (this.#head.length > 0) this.#slow()
    this.destroy()
  }

  drain(): void {
    this.destroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk])
    const length = Math.min(this.#head.length, preface.length)
    const begins = this.#head.compare(preface, 0, length, 0, length) === 0
    if (begins && length < preface.length) return
    this.#socket.off('data', this.#read)
    this.#socket.off('end', this.#fail)
    this.#socket.off('error', this.#fail)
    stopReading(this.#socket)
    const other = this.#head[0] === tlsHandshake ? 'tls' : 'http1'
    this.#decided(begins ? 'http2' : other, this.#head)
  }
}

/** A paused socket keeps reading ahead; code that takes over its handle must start from an empty buffer. */
function stopReading(socket: Socket): void {
  socket.pause()
  const { _handle: handle } = socket as unknown as { _handle?: { reading?: boolean; readStop?: () => void } | null }
  if (!handle?.readStop) return
  handle.readStop()
  handle.reading = false
}
