/**
 * What a service is, apart from the transport beneath it: a table of methods over raw
 * message bytes. A handler throws an RpcError (or a Failure, see status.ts); anything else
 * that it throws is a bug and reaches the client as INTERNAL without its text.
 */

/** The status codes of gRPC. */
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

/** A google.protobuf.Any that hangs on a status, its fields named as the generated code names them. */
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
 * A client takes nothing of its answer, and what the call holds is needed by others. It hears so
 * at once: what still waits to be sent is dropped.
 */
export class Stalled extends RpcError {
  constructor(message: string) {
    super(Code.UNAVAILABLE, message)
  }
}

/** What a handler knows of the call beside its messages. */
export interface Call {
  /** `package.Service/Method` */
  readonly method: string
  /** ASCII metadata by lower-case name, and `-bin` metadata still in base64; repeated names joined by commas. */
  readonly metadata: ReadonlyMap<string, string>
  /** One value of the metadata, by its lower-case name; on hot paths, since the map is made when it is first asked for. */
  header(name: string): string | undefined
  /** The `authorization` to pass the call on with, where the client is known by what cannot be passed on. */
  readonly vouched?: string | undefined
  /** May the client use some instances only? What tells of the others is not for them. */
  readonly limited?: boolean | undefined
  /** When the client gives up, in milliseconds since 1970. */
  readonly deadline: number | undefined
  /**
   * Aborts when the client cancels, its connection breaks or the deadline passes. The reason is an
   * RpcError that tells them apart: CANCELLED, UNAVAILABLE, DEADLINE_EXCEEDED.
   */
  readonly signal: AbortSignal
  /** The client's address, for logs. */
  readonly peer: string
  /**
   * Takes memory for a large answer, or a piece of one, before it is made. Without this, a client
   * that opens thousands of reads and takes nothing would have as many answers made at once.
   * @returns nothing when it is had at once; otherwise a promise, which fails with CANCELLED when
   *   the call ends first
   */
  reserve(bytes: number): Promise<void> | undefined
  /**
   * Gives back all that the call has reserved, once what it was for has been sent: from then on
   * the transport counts it. Happens by itself when the handler settles.
   */
  release(): void
}

/**
 * Sends one message to the client; its bytes must not change afterwards. Returns nothing while there is room and a promise that
 * settles when there is room again: await it before sending more.
 * @param rest the end of the message, where that lies elsewhere: it is not copied
 * @throws RpcError CANCELLED (also from the promise) once the call has ended
 */
export type Send = (message: Uint8Array, rest?: Rest) => void | Promise<void>

/** The end of a message. */
export interface Rest {
  readonly bytes: Uint8Array
  /**
   * Called once when nobody reads the bytes any more, so that their memory may be used again:
   * never before the system has all of them, and not at all when the call ends earlier.
   */
  readonly sent?: () => void
}

/** A message that the handler owns: nothing else writes to these bytes later, unless the method borrows. */
export type Messages = AsyncIterable<Buffer>

/**
 * How a method is called. One that `borrows` gets its messages in memory that the transport
 * uses again: a request until the handler settles, a message of a stream until the handler
 * asks for the next or settles. Neither what it keeps nor what it answers may be a part of
 * them. That halves what large uploads cost.
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
  /** The longest request, in bytes, where that is not what the server takes otherwise. */
  readonly requestBytesMax?: number
}

/** A gRPC service. */
export interface Service {
  /** `package.Service` */
  readonly name: string
  readonly methods: Readonly<Record<string, Method>>
}

/** The other side: how rooms above `wire` call a server. */
export interface Channel {
  unary(method: string, request: Uint8Array, options?: CallOptions): Promise<Buffer>
  serverStream(method: string, request: Uint8Array, options?: CallOptions): Messages
  /** Ends the request stream when the source ends. */
  clientStream(method: string, requests: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<Buffer>
  bidi(method: string, requests: AsyncIterable<Uint8Array>, options?: CallOptions): Messages
  close(): void
}

/**
 * All errors of a Channel are RpcErrors, but for what the source of the requests throws: that
 * cancels the call and comes through as it is. A streaming call starts when its iteration does,
 * and leaving the iteration cancels it. `method` above is `package.Service/Method`.
 */
export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>
  /** Milliseconds from now; without it, no deadline. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** A server that listens. */
export interface RpcServer {
  /** `host:port` as bound, the port a real one. */
  readonly address: string
  /** No new calls; settles when those in flight have ended or the time is over, then closes. */
  drain(timeoutMs: number): Promise<void>
  close(): Promise<void>
}
