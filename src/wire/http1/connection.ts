import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isLoopback } from '../../core/address.ts'
import { errnoOf } from '../../core/failure.ts'
import type { Account } from '../account.ts'
import type { Connection } from '../connection.ts'
import { destroySoon } from '../farewell.ts'
import { HttpError, type HttpHandler } from '../http.ts'
import { bodyOf, toHttpError } from '../http-status.ts'
import type { Ledger } from '../ledger.ts'
import { isBug } from '../status.ts'
import type { Strikes } from '../strikes.ts'
import { certificateOf } from '../tls/handshake.ts'
import { type ExchangeHost, Http1Exchange } from './exchange.ts'
import { type Patience, patienceFor } from './patience.ts'

export interface Http1Options {
  readonly handle: HttpHandler
  /** Memory that all connections of the server share, including those of HTTP/2: for answers, and for requests. */
  readonly answers: Ledger
  readonly requests: Ledger
  /** The past behaviour of addresses, over any protocol. */
  readonly strikes: Strikes
  /** Called with an error that is our bug. */
  readonly onBug: (error: unknown) => void
}

/** Approximate memory of a request that waits for earlier ones; this many may wait on one connection. */
const waitingBytes = 4 * 1024
/** Beyond this nothing more is read until some have been answered. */
const waitingHigh = 16
/** Bytes that count as progress. */
const headwayBytes = 16 * 1024

/** The life of one HTTP/1.1 connection: its requests one after another, and how long each may take. */
export class Http1Connection implements Connection, ExchangeHost {
  readonly peer: string
  readonly certificate: X509Certificate | undefined
  readonly isLocal: boolean
  readonly answers: Account
  readonly requests: Account
  readonly #socket: Socket
  readonly #options: Http1Options
  readonly #address: string
  readonly #patience: Patience
  readonly #waiting: Http1Exchange[] = []
  #current: Http1Exchange | undefined
  #draining = false
  #faulty = false
  #sweeps = 0
  /** Bytes, in either direction, that had been transferred at the last progress. */
  #moved = 0
  /** Bytes that had arrived when the last request ended: any more belong to a new one. */
  #readAtRest = 0

  constructor(socket: Socket, options: Http1Options) {
    const address = socket.remoteAddress ?? 'unknown'
    this.peer = `${address}:${socket.remotePort ?? 0}`
    this.certificate = certificateOf(socket)
    // A certificate is for one name, so no page can reach us under another (DNS rebinding).
    this.isLocal = isLoopback(socket.localAddress ?? '') && !('encrypted' in socket)
    this.answers = options.answers.open(address)
    this.requests = options.requests.open(address)
    this.#socket = socket
    this.#options = options
    this.#address = address
    this.#patience = patienceFor(options.strikes.count(address))
    socket.once('close', () => this.#closed())
  }

  get idle(): boolean {
    return this.#sweeps > 0 && this.#atRest
  }

  /** Accepts a request; its turn comes when the earlier ones have been answered. */
  take(request: IncomingMessage, response: ServerResponse, continues: boolean): void {
    const exchange = new Http1Exchange(this, request, response, continues)
    this.#restart()
    if (this.#current === undefined) {
      this.#run(exchange).catch(this.#options.onBug)
      return
    }
    if (this.#waiting.length >= this.#patience.waiting) this.#fault()
    if (this.#faulty || !this.requests.tryHold(waitingBytes)) {
      this.destroy()
      return
    }
    this.#waiting.push(exchange)
    if (this.#waiting.length >= waitingHigh) this.#socket.pause()
  }

  /** What arrived is not HTTP/1.1. */
  refuse(error: Error): void {
    const code = errnoOf(error)
    if (code === 'ECONNRESET' || code === 'EPIPE') {
      this.destroy()
      return
    }
    this.#fault()
    if (code === 'HPE_HEADER_OVERFLOW') this.#farewell(new HttpError(431, 'the header fields are too large'))
    else this.#farewell(new HttpError(400, 'this is not an HTTP/1.1 request'))
  }

  sweep(): void {
    this.#sweeps += 1
    const { bytesRead, bytesWritten, writableLength } = this.#socket
    const moved = bytesRead + bytesWritten - writableLength
    const { headSweeps, restSweeps, stuckSweeps, scarceSweeps } = this.#patience
    const current = this.#current
    if (current) {
      // A handler that is not waiting for the client has limits of its own.
      const waits = current.reading || current.writing
      if (!waits || moved - this.#moved >= headwayBytes) this.#restart()
      else if (this.#sweeps > (this.#scarce ? scarceSweeps : stuckSweeps)) this.#end('the client stands still')
    } else if (this.#atRest) {
      if (this.#sweeps > restSweeps) this.destroy()
    } else if (this.#sweeps > headSweeps) this.#end('the request does not come to its end')
  }

  drain(): void {
    this.#draining = true
    if (this.#current === undefined && this.#atRest) this.destroy()
    else if (this.#waiting.length === 0) this.#current?.announceEnd()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  get #scarce(): boolean {
    return this.answers.scarce || this.requests.scarce
  }

  /** Nothing of a new request has arrived since the last one ended. */
  get #atRest(): boolean {
    return this.#current === undefined && this.#socket.bytesRead === this.#readAtRest
  }

  async #run(first: Http1Exchange): Promise<void> {
    for (let next: Http1Exchange | undefined = first; next; next = this.#next()) {
      this.#current = next
      this.#restart()
      if (this.#draining && this.#waiting.length === 0) next.announceEnd()
      await this.#answer(next)
    }
    this.#current = undefined
    this.#rest()
  }

  async #answer(exchange: Http1Exchange): Promise<void> {
    try {
      await this.#options.handle(exchange)
      exchange.finish()
    } catch (error) {
      if (isBug(error) && !(error instanceof HttpError)) this.#options.onBug(error)
      exchange.fail(toHttpError(error))
    }
    await exchange.over
    const { request } = exchange
    // The unread rest of a body still has to arrive, and the next request comes after it.
    if (!request.complete) request.once('close', () => this.#rest())
  }

  #next(): Http1Exchange | undefined {
    const next = this.#waiting.shift()
    if (!next) return undefined
    this.requests.release(waitingBytes)
    if (this.#waiting.length < waitingHigh && this.#socket.isPaused()) this.#socket.resume()
    return next
  }

  #rest(): void {
    if (this.#current) return
    this.#readAtRest = this.#socket.bytesRead
    this.#restart()
  }

  #restart(): void {
    const { bytesRead, bytesWritten, writableLength } = this.#socket
    this.#moved = bytesRead + bytesWritten - writableLength
    this.#sweeps = 0
  }

  #end(why: string): void {
    this.#fault()
    this.#farewell(new HttpError(408, why))
  }

  /** Closes the connection, and tells the client why unless an answer has begun. */
  #farewell(error: HttpError): void {
    const socket = this.#socket
    const begun = this.#current?.response.headersSent ?? false
    if (begun || !socket.writable) {
      socket.destroy()
      return
    }
    const text = bodyOf(error)
    const head = [
      `HTTP/1.1 ${error.status} ${error.status === 408 ? 'Request Timeout' : 'Bad Request'}`,
      'content-type: text/plain; charset=utf-8',
      `content-length: ${text.length}`,
      'connection: close',
    ]
    socket.end(`${head.join('\r\n')}\r\n\r\n${text}`)
    destroySoon(socket)
  }

  /** A fault that costs the client its connection; it is counted once. */
  #fault(): void {
    if (!this.#faulty) this.#options.strikes.fault(this.#address)
    this.#faulty = true
  }

  /** A request has begun to arrive and is not complete. */
  get #torn(): boolean {
    return this.#current ? !this.#current.request.complete : !this.#atRest
  }

  #closed(): void {
    if (this.#torn) this.#fault()
    this.#current?.close()
    for (const exchange of this.#waiting.splice(0)) {
      exchange.close()
      this.requests.release(waitingBytes)
    }
    this.answers.close()
    this.requests.close()
  }
}
