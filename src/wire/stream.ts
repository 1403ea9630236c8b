import type { Account } from './account.ts'
import type { Visited } from './door.ts'
import type { Rest } from './rpc.ts'

/**
 * The seam between HTTP/2 and gRPC on the server's side: an engine (http2/) makes streams, the
 * gRPC layer (call.ts) gives them their meaning. An engine calls StreamIn, gRPC calls StreamOut.
 */

/** What gRPC needs of a request's headers. */
export interface RequestHead {
  /** The HTTP method. */
  readonly method: string
  readonly path: string
  readonly contentType: string
  /** `grpc-timeout`, if sent. */
  readonly timeout: string | undefined
  /** `grpc-encoding`, if sent. */
  readonly encoding: string | undefined
  /** `authorization`, if sent; of several the last. */
  readonly authorization: string | undefined
  /** All that do not belong to HTTP/2 itself, by lower-case name; made when asked for. */
  metadata(): ReadonlyMap<string, string>
  /** One value of the metadata, which is cheaper than all of them. */
  field(name: string): string | undefined
}

/** Header fields in the order in which they are sent. */
export type Fields = readonly (readonly [name: string, value: string])[]

/** How the engine speaks to the call. Nothing follows `closed`. */
export interface StreamIn {
  /** Bytes of the request, `chunk` from start to end; the engine's again when this returns. */
  data(chunk: Buffer, start: number, end: number): void
  /** The request is complete. */
  end(): void
  /** After a write that returned false: there is room again. */
  drained(): void
  /**
   * The client reset the stream or the connection is gone, before or after the answer was complete.
   * @param cancelled the client said that it does not want the answer any more
   */
  closed(cancelled: boolean): void
  /** The client has read nothing of the answer for too long, and others need the memory: the call has to end now. */
  stalled(): void
  /** Every five seconds: ends a call whose request is stalled and holds memory that others need. */
  sweep(): void
}

/** How the call speaks to the engine. Nothing may follow `end`, `abandon` or `refuse`, and all is ignored after `closed`. */
export interface StreamOut {
  readonly peer: string
  /** Sends a gRPC message, preceded by the response's headers if it is the first; false if the call should wait for `drained`. */
  write(message: Uint8Array, rest?: Rest): boolean
  /** Ends the response: a last message if there is one, then the trailers. What the client still sends is ignored. */
  end(message: Uint8Array | undefined, trailers: Fields): void
  /** Ends the response early: what still waits is dropped, and the trailers are sent at once. */
  abandon(trailers: Fields): void
  /** Answers with a bare HTTP status and a line of text: the request is not gRPC. */
  refuse(status: number, text: string): void
  /** The connection's memory for answers, those that wait for the client among them. */
  readonly answers: Account
  /** The connection's memory for requests, until their handlers are done with them. */
  readonly requests: Account
  /** Stops giving the client room to send, until resume. */
  pause(): void
  resume(): void
}

/** What has been done for a connection since its turn began, in units (http2/turns.ts). */
export interface Work {
  units: number
}

/** What many bytes count in such units: those of DATA, and of a message once it is unpacked. */
export function unitsOf(bytes: number): number {
  return bytes >>> 11
}

/** What calls on one connection share; kept by the gRPC layer, read by the engine. */
export interface Load extends Visited {
  /** Handlers that have not settled, also those whose stream is gone. */
  running: number
  readonly work: Work
}

/** Begins a call. */
export type Accept = (head: RequestHead, out: StreamOut, load: Load) => StreamIn
