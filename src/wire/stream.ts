import type { Account } from './account.ts'
import type { Visited } from './door.ts'
import type { Rest } from './rpc.ts'

/**
 * The interface between HTTP/2 and gRPC on the server's side: an engine (http2/) creates streams, the gRPC layer
 * (call.ts) gives them their meaning. The engine calls StreamIn, gRPC calls StreamOut.
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
  /** `authorization`, if sent; the last one if there are several. */
  readonly authorization: string | undefined
  /** All fields that do not belong to HTTP/2 itself, by lower-case name; created on demand. */
  metadata(): ReadonlyMap<string, string>
  /** One metadata value, which is cheaper than all of them. */
  field(name: string): string | undefined
}

/** Header fields in sending order. */
export type Fields = readonly (readonly [name: string, value: string])[]

/** How the engine talks to the call. Nothing follows `closed`. */
export interface StreamIn {
  /** Bytes of the request, `chunk` from start to end; the engine reuses them when this returns. */
  data(chunk: Buffer, start: number, end: number): void
  /** The request is complete. */
  end(): void
  /** After a write that returned false: there is room again. */
  drained(): void
  /**
   * The client reset the stream or the connection is gone, before or after the answer was complete.
   * @param cancelled the client said that it no longer wants the answer
   */
  closed(cancelled: boolean): void
  /** The client has read nothing of the answer for too long, and others need the memory: the call has to end now. */
  stalled(): void
  /** Every five seconds: ends a call whose request is stalled and holds memory that others need. */
  sweep(): void
}

/** How the call talks to the engine. Nothing may follow `end`, `abandon` or `refuse`; after `closed` all is ignored. */
export interface StreamOut {
  readonly peer: string
  /** Sends a gRPC message, after the response's headers if it is the first; false if the call should await `drained`. */
  write(message: Uint8Array, rest?: Rest): boolean
  /** Ends the response: a last message if there is one, then the trailers. Further input from the client is ignored. */
  end(message: Uint8Array | undefined, trailers: Fields): void
  /** Ends the response early: what is still queued is dropped, and the trailers are sent at once. */
  abandon(trailers: Fields): void
  /** Answers with a bare HTTP status and a line of text: the request is not gRPC. */
  refuse(status: number, text: string): void
  /** The connection's memory for answers, including those that wait for the client. */
  readonly answers: Account
  /** The connection's memory for requests, until their handlers are done with them. */
  readonly requests: Account
  /** Stops granting the client flow-control window, until resume. */
  pause(): void
  resume(): void
}

/** The work done for a connection since its turn began, in units (http2/turns.ts). */
export interface Work {
  units: number
}

/** The units of a number of bytes: those of DATA, and of a decompressed message. */
export function unitsOf(bytes: number): number {
  return bytes >>> 11
}

/** Shared by the calls of one connection; maintained by the gRPC layer, read by the engine. */
export interface Load extends Visited {
  /** Handlers that have not settled, including those whose stream is gone. */
  running: number
  readonly work: Work
}

/** Begins a call. */
export type Accept = (head: RequestHead, out: StreamOut, load: Load) => StreamIn
