import { hostPortText, parseListen } from '../core/address.ts'
import { systemClock } from '../core/clock.ts'
import { messageBytesMax } from '../core/limits.ts'
import { createAccept } from './accept.ts'
import type { CallContext, ServerLog } from './call-context.ts'
import type { Door, Operation } from './door.ts'
import { guarded } from './guarded-http.ts'
import { type Exchange, HttpError, type HttpHandler } from './http.ts'
import { Ledger } from './ledger.ts'
import { methodTable } from './methods.ts'
import { occasionally } from './occasionally.ts'
import { BufferPool } from './pool.ts'
import type { RpcServer, Service } from './rpc.ts'
import type { Admit } from './same-user.ts'
import { serve } from './serve.ts'
import type { ServerTls } from './tls/server-tls.ts'

export interface ListenOptions {
  /** `host:port`, `[v6]:port` (port 0 picks a free one), or `unix:/path`, which is for this user alone. */
  readonly address: string
  /** The longest message to accept, in bytes; if absent, 4 MiB plus its frame. */
  readonly receiveBytesMax?: number
  /** Concurrent calls on one connection; more wait at the client. */
  readonly streamsMax?: number
  /** Concurrent connections; more are closed as they arrive. */
  readonly connectionsMax?: number
  /** Concurrent TLS handshakes; the oldest makes room for a newcomer. */
  readonly handshakesMax?: number
  /** Who is admitted; everybody if absent. Every call of others gets PERMISSION_DENIED. */
  readonly admit?: Admit | undefined
  /** If present, all clients have to use TLS; otherwise none may. It is closed with the server. */
  readonly tls?: ServerTls | undefined
  /** Who may do what; without it, everybody may do everything. */
  readonly door?: Door | undefined
  /** What an HTTP/1.1 request does, so that the door can judge it. */
  readonly operationOf?: ((exchange: Exchange) => Operation | undefined) | undefined
  /** Gets every error that is a bug; the client sees only `internal error`. */
  readonly log?: ServerLog
  /** Called at the end of each call: for metrics. */
  readonly observe?: CallContext['observe']
  /** Answers HTTP/1.1; without it, such clients are told that this address speaks gRPC. */
  readonly http?: HttpHandler
}

/** For a browser, or curl. */
const gRpcOnly: HttpHandler = async () => {
  throw new HttpError(505, 'this address speaks gRPC, that is, HTTP/2 only', { connection: 'close' })
}
/** Concurrent TLS handshakes; the oldest makes room for a newcomer. An honest one takes some milliseconds. */
const handshakesMaxDefault = 2_000
/** Requests, from the first piece of a message until its handler is done with it. */
const requestMemory = {
  bytesMax: 1024 * 1024 * 1024,
  clientBytesMax: 768 * 1024 * 1024,
  connectionBytesMax: 512 * 1024 * 1024,
}
/** Answers, from before they are created until they have been sent. */
const answerMemory = {
  bytesMax: 256 * 1024 * 1024,
  clientBytesMax: 192 * 1024 * 1024,
  connectionBytesMax: 64 * 1024 * 1024,
}

/**
 * Serves gRPC over HTTP/2, and HTTP/1.1 on the same port, with or without TLS.
 * @throws Failure 'invalid' for a malformed address, 'exists' if it is taken
 */
export async function listen(services: readonly Service[], options: ListenOptions): Promise<RpcServer> {
  const place = parseListen(options.address)
  const accept = createAccept({
    methods: methodTable(services),
    receiveBytesMax: options.receiveBytesMax ?? messageBytesMax + 64 * 1024,
    pool: new BufferPool(),
    clock: systemClock,
    log: options.log,
    observe: options.observe,
    door: options.door,
  })
  const turnedAway = occasionally(systemClock, (message, fields) => options.log?.warn?.(message, fields))
  const server = await serve({
    place,
    accept,
    answers: new Ledger(answerMemory),
    requests: new Ledger(requestMemory),
    streamsMax: options.streamsMax ?? 10_000,
    connectionsMax: options.connectionsMax ?? 10_000,
    admit: options.admit,
    http: guarded(options.http ?? gRpcOnly, options.door, options.operationOf),
    handshakesMax: options.handshakesMax ?? handshakesMaxDefault,
    tls: options.tls,
    onTurnedAway: (why, peer) => turnedAway(why, { peer }),
    onBug: (error) => options.log?.error('a connection failed', { error }),
  })
  return {
    address: 'path' in place ? options.address : hostPortText({ host: place.host, port: server.port }),
    drain: (timeoutMs) => server.drain(timeoutMs).finally(() => options.tls?.close()),
    close: () => server.close().finally(() => options.tls?.close()),
  }
}
