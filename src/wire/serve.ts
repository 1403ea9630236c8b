import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { type ListenPlace, placeText } from '../core/address.ts'
import { systemFailure } from '../host/system-errors.ts'
import type { Connection } from './connection.ts'
import { createDoors, type DoorsOptions } from './doors.ts'
import { Turns } from './http2/turns.ts'
import type { Admit } from './same-user.ts'
import { clearSocket } from './socket-file.ts'
import { Strikes } from './strikes.ts'
import { type ConnectionContext, type ConnectionOptions, takeConnection } from './take-connection.ts'

export interface ServeOptions extends Omit<DoorsOptions, 'strikes' | 'turns'>, ConnectionOptions {
  readonly place: ListenPlace
  /** Who is admitted; everybody if absent. */
  readonly admit?: Admit | undefined
}

export interface Server {
  /** 0 for a socket in the file system. */
  readonly port: number
  drain(timeoutMs: number): Promise<void>
  close(): Promise<void>
}

const sweepMs = 5000
/** Connections beyond the limit that have been told to close and are not closed yet. */
const leavingMax = 100

/**
 * Listens for HTTP/2 and HTTP/1.1, with TLS if there is a certificate. A connection's first bytes tell its protocol.
 * @throws Failure 'exists' if the address is taken, 'unavailable' if it cannot be bound
 */
export async function serve(options: ServeOptions): Promise<Server> {
  const connections = new Set<Connection>()
  const strikes = new Strikes()
  const doors = createDoors({ ...options, strikes, turns: new Turns() })
  const context: ConnectionContext = { ...options, connections, handshakes: new Set(), strikes, doors }

  const arriving = new Set<Socket>()
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (accepted) => {
    // The mode of a socket in the file system already keeps other users out.
    if (!options.admit || 'path' in options.place) return takeConnection(context, accepted, true)
    arriving.add(accepted)
    accepted.once('error', () => accepted.destroy())
    options.admit(accepted).then((admitted) => {
      arriving.delete(accepted)
      if (!accepted.destroyed) takeConnection(context, accepted, admitted)
    }, options.onBug)
  })
  server.maxConnections = options.connectionsMax + leavingMax
  await startListening(server, options.place)
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  const sweeper = setInterval(() => {
    for (const connection of connections) connection.sweep()
    strikes.sweep()
    options.answers.settle()
    options.requests.settle()
  }, sweepMs)
  sweeper.unref()

  function stop(): void {
    clearInterval(sweeper)
    server.close()
    for (const socket of arriving) socket.destroy()
  }

  return {
    port: portOf(server),
    async drain(timeoutMs) {
      stop()
      for (const connection of connections) connection.drain()
      const timer = setTimeout(() => destroyAll(connections), timeoutMs)
      await closed
      clearTimeout(timer)
    },
    async close() {
      stop()
      destroyAll(connections)
      await closed
    },
  }
}

function destroyAll(connections: ReadonlySet<Connection>): void {
  for (const connection of connections) connection.destroy()
}

async function startListening(server: NetServer, place: ListenPlace): Promise<void> {
  if ('path' in place) await clearSocket(place.path)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(systemFailure(cause, { doing: 'cannot listen', where: placeText(place) })))
    if (!('path' in place)) {
      server.listen(place, resolve)
      return
    }
    // The call creates the socket, which must not be accessible to anybody else even for a moment.
    const before = process.umask(0o177)
    server.listen(place, resolve)
    process.umask(before)
  })
}

function portOf(server: NetServer): number {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}
