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
  /** All that do not belong to HTTP/2 itself, by lower-case name; made when asked for. */
  metadata(): ReadonlyMap<string, string>
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
  /** The client reset the stream or the connection is gone, before or after the answer was complete. */
  closed(): void
}

/** How the call speaks to the engine. Nothing may follow `end` or `refuse`, and all is ignored after `closed`. */
export interface StreamOut {
  readonly peer: string
  /** Sends a gRPC message, and the response's headers before the first; false when the call should wait for `drained`. */
  write(message: Uint8Array, rest?: Rest): boolean
  /** Ends the response: a last message if there is one, then the trailers. What the client still sends is ignored. */
  end(message: Uint8Array | undefined, trailers: Fields): void
  /** Answers with a bare HTTP status and a line of text: the request is not gRPC. */
  refuse(status: number, text: string): void
  /** Undefined while a large answer may begin; else settles when one may again, or the connection is gone. */
  room(): Promise<void> | undefined
  /** Stops giving the client room to send, until resume. */
  pause(): void
  resume(): void
}

/** What calls on one connection share; kept by the gRPC layer, read by the engine. */
export interface Load {
  /** Handlers that have not settled, also those whose stream is gone. */
  running: number
}

/** Begins a call. */
export type Accept = (head: RequestHead, out: StreamOut, load: Load) => StreamIn
