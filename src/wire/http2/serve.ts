import { type AddressInfo, createServer } from 'node:net'
import { errnoOf, Failure } from '../../core/failure.ts'
import { Session, type SessionOptions } from './session.ts'
import { readShared } from './socket.ts'

export interface ServeOptions extends Omit<SessionOptions, 'answers'> {
  readonly host: string
  readonly port: number
  readonly connectionsMax: number
}

export interface Http2Server {
  readonly port: number
  drain(timeoutMs: number): Promise<void>
  close(): Promise<void>
}

const sweepMs = 5000

/**
 * Listens for HTTP/2 without TLS.
 * @throws Failure 'exists' when the address is taken, 'unavailable' when it cannot be had
 */
export async function serveHttp2(options: ServeOptions): Promise<Http2Server> {
  const sessions = new Set<Session>()
  const shared: SessionOptions = { ...options, answers: { pendingBytes: 0 } }
  const server = createServer({ pauseOnConnect: true }, (accepted) => {
    const socket = readShared(accepted, (chunk) => session.read(chunk))
    const session = new Session(socket, shared)
    sessions.add(session)
    socket.once('close', () => sessions.delete(session))
  })
  server.maxConnections = options.connectionsMax
  const { host, port } = options
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(cannotListen(`${host}:${port}`, cause)))
    server.listen({ host, port }, resolve)
  })
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  const sweeper = setInterval(() => {
    for (const session of sessions) session.sweep()
  }, sweepMs)
  sweeper.unref()

  function stop(): void {
    clearInterval(sweeper)
    server.close()
  }

  return {
    port: (server.address() as AddressInfo).port,
    async drain(timeoutMs) {
      stop()
      for (const session of sessions) session.drain()
      const timer = setTimeout(() => destroyAll(sessions), timeoutMs)
      await closed
      clearTimeout(timer)
    },
    async close() {
      stop()
      destroyAll(sessions)
      await closed
    },
  }
}

function destroyAll(sessions: ReadonlySet<Session>): void {
  for (const session of sessions) session.destroy()
}

function cannotListen(where: string, cause: unknown): Failure {
  const taken = errnoOf(cause) === 'EADDRINUSE'
  return new Failure(
    taken ? 'exists' : 'unavailable',
    taken ? 'the address is taken by another program' : `cannot listen (${errnoOf(cause) ?? 'unknown reason'})`,
    { where, cause },
  )
}
