import { systemClock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { messageBytesMax } from '../core/limits.ts'
import { createAccept } from './accept.ts'
import type { CallContext, ServerLog } from './call.ts'
import { serveHttp2 } from './http2/serve.ts'
import { methodTable } from './methods.ts'
import { BufferPool } from './pool.ts'
import type { RpcServer, Service } from './rpc.ts'

export interface ListenOptions {
  /** `host:port`, `[v6]:port`; port 0 takes a free one. */
  readonly address: string
  /** The longest message that is taken, in bytes; the usual 4 MiB and the frame around it when absent. */
  readonly receiveBytesMax?: number
  /** Calls at once on one connection; more wait at the client. */
  readonly streamsMax?: number
  /** Connections at once; more are closed as they come. */
  readonly connectionsMax?: number
  /** Told of every error that is a bug: the client only hears `internal error`. */
  readonly log?: ServerLog
  /** Called at the end of each call: for metrics. */
  readonly observe?: CallContext['observe']
}

/** What incomplete messages of all calls may take together. */
const reassemblyBytesMax = 1024 * 1024 * 1024

/**
 * Serves gRPC over HTTP/2 without TLS.
 * @throws Failure 'invalid' for a malformed address, 'exists' when it is taken
 */
export async function listen(services: readonly Service[], options: ListenOptions): Promise<RpcServer> {
  const { host, port } = parseAddress(options.address)
  const accept = createAccept({
    methods: methodTable(services),
    receiveBytesMax: options.receiveBytesMax ?? messageBytesMax + 64 * 1024,
    budget: { left: reassemblyBytesMax },
    pool: new BufferPool(),
    clock: systemClock,
    log: options.log,
    observe: options.observe,
  })
  const server = await serveHttp2({
    host,
    port,
    accept,
    streamsMax: options.streamsMax ?? 10_000,
    connectionsMax: options.connectionsMax ?? 10_000,
    onBug: (error) => options.log?.error('a connection failed', { error }),
  })
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${server.port}`,
    drain: (timeoutMs) => server.drain(timeoutMs),
    close: () => server.close(),
  }
}

function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^\s:/]+)):(\d{1,5})$/.exec(address)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (!host || port > 65535)
    throw new Failure('invalid', 'expected HOST:PORT, for instance 127.0.0.1:50051', { where: address })
  return { host, port }
}
