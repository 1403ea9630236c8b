import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { withoutStack } from '../../core/failure.ts'
import type { Account } from '../account.ts'
import type { Exchange, HttpError, HttpFields } from '../http.ts'
import { bodyOf } from '../http-status.ts'
import { Reservations } from '../reservations.ts'
import { Code, RpcError } from '../rpc.ts'

/** What an exchange needs of its connection. */
export interface ExchangeHost {
  readonly peer: string
  readonly certificate: X509Certificate | undefined
  readonly isLocal: boolean
  readonly answers: Account
  readonly requests: Account
}

/** One HTTP/1.1 request and its answer, on node:http. */
export class Http1Exchange implements Exchange {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly contentLength: number | undefined
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Settles when the answer has been sent, or the connection is gone. */
  readonly over: Promise<void>
  readonly #host: ExchangeHost
  readonly #continues: boolean
  readonly #abort = new AbortController()
  readonly #answers: Reservations
  readonly #requests: Reservations
  readonly #settle: () => void
  #status = 200
  #fields: HttpFields = {}
  #reading = false
  #continued = false
  #closed = false
  /** Bytes of the answer that the system has not accepted. */
  #unsent = 0

  /** @param continues the client waits for 100 Continue before it sends the body */
  constructor(host: ExchangeHost, request: IncomingMessage, response: ServerResponse, continues: boolean) {
    const target = request.url ?? '/'
    const question = target.indexOf('?')
    this.method = request.method ?? 'GET'
    this.path = question < 0 ? target : target.slice(0, question)
    this.query = question < 0 ? '' : target.slice(question + 1)
    this.contentLength = contentLengthOf(request)
    this.request = request
    this.response = response
    this.#host = host
    this.#continues = continues
    this.#answers = new Reservations(host.answers)
    this.#requests = new Reservations(host.requests)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.over = promise
    this.#settle = resolve
    response.once('finish', () => this.close())
    // A broken connection is noticed at its socket, and by whoever reads the body.
    response.on('error', () => undefined)
    request.on('error', () => undefined)
  }

  get peer(): string {
    return this.#host.peer
  }

  get certificate(): X509Certificate | undefined {
    return this.#host.certificate
  }

  get isLocal(): boolean {
    return this.#host.isLocal
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Does the handler wait for the client to send more? */
  get reading(): boolean {
    return this.#reading
  }

  /** Is part of the answer waiting for the client to read it? */
  get writing(): boolean {
    return this.#unsent > 0
  }

  get status(): number {
    return this.#status
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  reserve(bytes: number): Promise<void> | undefined {
    return this.#answers.take(bytes)
  }

  release(): void {
    this.#answers.release()
  }

  hold(bytes: number): Promise<void> | undefined {
    return this.#requests.take(bytes)
  }

  async *body(): AsyncGenerator<Buffer> {
    if (this.#continues && !this.#continued) this.response.writeContinue()
    this.#continued = true
    this.#reading = true
    try {
      // The default iterator would close the connection when a handler stops in the middle.
      for await (const chunk of this.request.iterator({ destroyOnReturn: false })) yield chunk as Buffer
    } catch {
      throw gone()
    } finally {
      this.#reading = false
    }
  }

  respond(status: number, fields: HttpFields = {}): void {
    this.#status = status
    this.#fields = fields
  }

  write(bytes: Uint8Array, sent?: () => void): void | Promise<void> {
    if (this.#closed) throw gone()
    this.#writeHead()
    this.#count(bytes.length)
    const flows = this.response.write(bytes, (error) => {
      if (this.#closed) return
      this.#count(-bytes.length)
      if (!error) sent?.()
    })
    return flows ? undefined : this.#drained()
  }

  /** The handler has settled. */
  finish(): void {
    if (this.#closed) return
    this.#writeHead()
    this.response.end()
  }

  /** The handler has failed: the client is told, or, if an answer has begun, cut off. */
  fail(error: HttpError): void {
    if (this.#closed) return
    if (this.response.headersSent) {
      this.request.socket.destroy()
      return
    }
    const text = bodyOf(error)
    this.respond(error.status, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': String(text.length),
      ...error.fields,
    })
    this.#writeHead()
    this.response.end(text)
  }

  /** Tells the client that the connection closes after this answer. */
  announceEnd(): void {
    if (!this.response.headersSent) this.response.setHeader('connection', 'close')
  }

  /** The answer has been sent, or the connection is gone. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (!this.response.writableFinished) this.#abort.abort(gone())
    this.#host.answers.release(this.#unsent)
    this.#unsent = 0
    for (const reservations of [this.#answers, this.#requests]) {
      reservations.leave()
      reservations.release()
    }
    this.#settle()
  }

  #writeHead(): void {
    if (this.response.headersSent) return
    this.response.writeHead(this.#status, this.#fields)
  }

  #count(bytes: number): void {
    this.#unsent += bytes
    this.#host.answers.add(bytes)
  }

  /** Settles when the client has read enough; rejects when it is gone. */
  async #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.response.once('drain', resolve)
    try {
      await Promise.race([promise, this.over])
    } finally {
      this.response.off('drain', resolve)
    }
    if (this.#closed) throw gone()
  }
}

function gone(): RpcError {
  return withoutStack(() => new RpcError(Code.CANCELLED, 'the client has gone'))
}

/** Undefined for a chunked body. */
function contentLengthOf({ headers }: IncomingMessage): number | undefined {
  if (headers['transfer-encoding'] !== undefined) return undefined
  return Number(headers['content-length'] ?? 0)
}
