/**
 * What a service is, independent of the transport: a table of methods over raw message bytes. A handler throws an
 * RpcError (or a Failure, see status.ts); anything else that it throws is a bug and reaches the client as INTERNAL
 * without its text.
 */

/** gRPC's status codes. */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const
export type Code = (typeof Code)[keyof typeof Code]

/** A google.protobuf.Any attached to a status, with the generated code's field names. */
export interface Detail {
  /** `type.googleapis.com/...` */
  readonly type_url: string
  readonly value: Uint8Array
}

/** A call that ended with a status other than OK, on either side. */
export class RpcError extends Error {
  readonly code: Code
  readonly details: readonly Detail[]

  constructor(code: Code, message: string, details: readonly Detail[] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'RpcError'
    this.code = code
    this.details = details
  }
}

/**
 * A client reads nothing of its answer, and others need what the call holds. It is told at once: what is still queued
 * for it is dropped.
 */
export class Stalled extends RpcError {
  constructor(message: string) {
    super(Code.UNAVAILABLE, message)
  }
}

/** A call's context for its handler, apart from the messages. */
export interface Call {
  /** `package.Service/Method` */
  readonly method: string
  /** ASCII metadata by lower-case name, and `-bin` metadata still in base64; repeated values joined by commas. */
  readonly metadata: ReadonlyMap<string, string>
  /** One metadata value, by lower-case name; for hot paths, since the map is only created on demand. */
  header(name: string): string | undefined
  /** The `authorization` for forwarding the call, if what identifies the client cannot be forwarded. */
  readonly vouched?: string | undefined
  /** May the client use some instances only? It must not learn about the others. */
  readonly limited?: boolean | undefined
  /** The client's deadline, in milliseconds since 1970. */
  readonly deadline: number | undefined
  /**
   * Aborts when the client cancels, its connection breaks or the deadline passes. The reason is an RpcError that tells
   * them apart: CANCELLED, UNAVAILABLE, DEADLINE_EXCEEDED.
   */
  readonly signal: AbortSignal
  /** The client's address, for logs. */
  readonly peer: string
  /**
   * Reserves memory for a large answer, or a piece of one, before it is created. Otherwise a client that opens
   * thousands of reads and reads nothing would cause as many answers to be created at once.
   * @returns nothing if it is available at once; otherwise a promise, which fails with CANCELLED if the call ends first
   */
  reserve(bytes: number): Promise<void> | undefined
  /**
   * Releases all that the call has reserved, once what it was for has been sent: from then on the transport accounts
   * for it. Happens automatically when the handler settles.
   */
  release(): void
}

/**
 * Sends one message to the client; its bytes must not change afterwards. Returns nothing while there is room, otherwise
 * a promise that settles when there is room again: await it before sending more.
 * @param rest the end of the message, if it is stored elsewhere: it is not copied
 * @throws RpcError CANCELLED (also from the promise) once the call has ended
 */
export type Send = (message: Uint8Array, rest?: Rest) => void | Promise<void>

/** The end of a message. */
export interface Rest {
  readonly bytes: Uint8Array
  /**
   * Called once when nobody reads the bytes any more, so that their memory may be reused: never before the system has
   * all of them, and not at all if the call ends earlier.
   */
  readonly sent?: () => void
}

/** Messages that the handler owns: nothing else writes to these bytes later, unless the method borrows. */
export type Messages = AsyncIterable<Buffer>

/**
 * How a method is called. One that `borrows` gets its messages in memory that the transport reuses: a request is valid
 * until the handler settles, a message of a stream until the handler asks for the next or settles. Neither what it
 * keeps nor what it returns may be a part of them. This halves the cost of large uploads.
 */
export type Method = MethodTraits &
  (
    | {
        readonly kind: 'unary'
        readonly handle: (request: Buffer, call: Call) => Uint8Array | Promise<Uint8Array>
      }
    | {
        readonly kind: 'server-stream'
        readonly handle: (request: Buffer, call: Call, send: Send) => Promise<void>
      }
    | {
        readonly kind: 'client-stream'
        readonly handle: (requests: Messages, call: Call) => Promise<Uint8Array>
      }
    | {
        readonly kind: 'bidi'
        readonly handle: (requests: Messages, call: Call, send: Send) => Promise<void>
      }
  )

interface MethodTraits {
  readonly borrows?: boolean
  /** The longest request in bytes, if it differs from the server's default. */
  readonly requestBytesMax?: number
}

/** A gRPC service. */
export interface Service {
  /** `package.Service` */
  readonly name: string
  readonly methods: Readonly<Record<string, Method>>
}

/** The client's side: how rooms above `wire` call a server. */
export interface Channel {
  unary(method: string, request: Uint8Array, options?: CallOptions): Promise<Buffer>
  serverStream(method: string, request: Uint8Array, options?: CallOptions): Messages
  /** Ends the request stream when the source ends. */
  clientStream(method: string, requests: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<Buffer>
  bidi(method: string, requests: AsyncIterable<Uint8Array>, options?: CallOptions): Messages
  close(): void
}

/**
 * All errors of a Channel are RpcErrors, except what the source of the requests throws: that cancels the call and is
 * passed through. A streaming call starts when its iteration does, and leaving the iteration cancels it. `method` above
 * is `package.Service/Method`.
 */
export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>
  /** Milliseconds from now; without it, no deadline. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** A server that listens. */
export interface RpcServer {
  /** `host:port` as bound, with the actual port. */
  readonly address: string
  /** Refuses new calls; when those in flight have ended or the time is over, closes and settles. */
  drain(timeoutMs: number): Promise<void>
  close(): Promise<void>
}
