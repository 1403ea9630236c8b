import type { X509Certificate } from 'node:crypto'

/**
 * What a request of HTTP/1.1 is, apart from the parser beneath it (http1/). A handler throws an
 * HttpError, a Failure or an RpcError (http-status.ts makes an answer of it); anything else that it
 * throws is a bug and reaches the client as 500 without its text.
 */

/** Header fields by lower-case name. */
export type HttpFields = Readonly<Record<string, string>>

/** Answers one request. The answer is complete when it settles. */
export type HttpHandler = (exchange: Exchange) => Promise<void>

/** One request and its answer. Requests of a connection are handled one after the other. */
export interface Exchange {
  readonly method: string
  /** As sent, without the query: percent signs are still there. */
  readonly path: string
  /** What follows the question mark; empty when there is none. */
  readonly query: string
  /** A header field, repeated ones joined by commas. @param name in lower case */
  header(name: string): string | undefined
  /** Bytes that the body has as it is sent; 0 where there is none, undefined where only its end will tell. */
  readonly contentLength: number | undefined
  /** The client's address and port, for logs. */
  readonly peer: string
  /** What the client has shown in the TLS handshake, verified. */
  readonly certificate?: X509Certificate | undefined
  /** Does the connection come from this machine itself, over its loopback interface and without TLS? */
  readonly isLocal: boolean
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal
  /** Takes memory for an answer, or a piece of one, before it is made; as Call.reserve. */
  reserve(bytes: number): Promise<void> | undefined
  /** Gives back what was reserved, once what it was for has been given to `write`. */
  release(): void
  /** Reserves memory for a request that is collected as a whole, until the exchange is over. Fails with CANCELLED if that comes first. */
  hold(bytes: number): Promise<void> | undefined
  /**
   * The body as it is sent; asking for it tells a client that waits for that to go on (100 Continue).
   * What nobody reads is thrown away.
   */
  body(): AsyncIterable<Buffer>
  /** The answer's, as `respond` set it last; 200 before. */
  readonly status: number
  /** Sets status and fields of the answer; they leave with its first bytes, or at its end. Until then they may be set again. */
  respond(status: number, fields?: HttpFields): void
  /**
   * Sends bytes of the answer's body, which must not change afterwards; as Send. An answer to HEAD has none.
   * @param sent called once when nobody reads the bytes any more; not at all when the connection breaks first
   */
  write(bytes: Uint8Array, sent?: () => void): void | Promise<void>
}

/** An answer that is not a success. Its message is the body: one line of text. */
export class HttpError extends Error {
  readonly status: number
  readonly fields: HttpFields

  constructor(status: number, message: string, fields: HttpFields = {}) {
    super(message)
    this.name = 'HttpError'
    this.status = status
    this.fields = fields
  }
}
