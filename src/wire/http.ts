import type { X509Certificate } from 'node:crypto'

/**
 * An HTTP/1.1 request, independent of the parser beneath it (http1/). A handler throws an HttpError, a Failure or an
 * RpcError (http-status.ts converts it to a response); anything else that it throws is a bug and reaches the client as
 * 500 without its text.
 */

/** Header fields by lower-case name. */
export type HttpFields = Readonly<Record<string, string>>

/** Answers one request. The response is complete when it settles. */
export type HttpHandler = (exchange: Exchange) => Promise<void>

/** One request and its response. A connection's requests are handled one after another. */
export interface Exchange {
  readonly method: string
  /** As sent, without the query and still percent-encoded. */
  readonly path: string
  /** What follows the question mark; empty if there is none. */
  readonly query: string
  /** A header field, repeated ones joined by commas. @param name in lower case */
  header(name: string): string | undefined
  /** Bytes of the body as sent; 0 if there is none, undefined if only its end will tell. */
  readonly contentLength: number | undefined
  /** The client's address and port, for logs. */
  readonly peer: string
  /** The certificate that the client presented in the TLS handshake, verified. */
  readonly certificate?: X509Certificate | undefined
  /** Does the connection come from this machine itself, over loopback and without TLS? */
  readonly isLocal: boolean
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal
  /** Reserves memory for an answer, or a piece of one, before it is created; like Call.reserve. */
  reserve(bytes: number): Promise<void> | undefined
  /** Releases what was reserved, once what it was for has been passed to `write`. */
  release(): void
  /** Reserves memory for a buffered request until the exchange is over; fails with CANCELLED if that comes first. */
  hold(bytes: number): Promise<void> | undefined
  /**
   * The body as sent; reading it tells a client that expects 100 Continue to go on. What nobody reads is discarded.
   */
  body(): AsyncIterable<Buffer>
  /** The response's, as last set by `respond`; 200 before. */
  readonly status: number
  /** Sets the response's status and fields, again if need be, until its first bytes are sent, or its end. */
  respond(status: number, fields?: HttpFields): void
  /**
   * Sends bytes of the response's body, which must not change afterwards; like Send. A response to HEAD has none.
   * @param sent called once when nobody reads the bytes any more; not at all if the connection breaks first
   */
  write(bytes: Uint8Array, sent?: () => void): void | Promise<void>
}

/** A response other than success. Its message is the body: one line of text. */
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
