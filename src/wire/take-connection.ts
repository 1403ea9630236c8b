import type { Socket } from 'node:net'
import { Arrival, type Protocol } from './arrival.ts'
import type { Connection } from './connection.ts'
import type { Door, Doors } from './doors.ts'
import { Session } from './http2/session.ts'
import { readShared } from './http2/socket.ts'
import { Code, RpcError } from './rpc.ts'
import type { Strikes } from './strikes.ts'
import { Handshake } from './tls/handshake.ts'
import { handshakeProblem } from './tls/handshake-errors.ts'
import type { ServerTls } from './tls/server-tls.ts'

export interface ConnectionOptions {
  readonly connectionsMax: number
  /** Connections in the TLS handshake: each holds some 50 KB of OpenSSL's memory. */
  readonly handshakesMax: number
  /** If present, all clients have to use TLS; otherwise none may. */
  readonly tls?: ServerTls | undefined
  /** Reports a rejected client, and why. */
  readonly onTurnedAway: (why: string, peer: string) => void
}

/** Shared by the connections of a server. */
export interface ConnectionContext extends ConnectionOptions {
  /** All that are open. */
  readonly connections: Set<Connection>
  /** Those in the TLS handshake. */
  readonly handshakes: Set<Connection>
  readonly strikes: Strikes
  readonly doors: Doors
}

/** A client that is not admitted is told so, and has this long to receive it. */
const farewellMsMax = 5000

const notAdmitted = new RpcError(
  Code.PERMISSION_DENIED,
  'this server is private to the user who runs it; that user can admit others with `native deploy --no-private`',
)
const withoutTls = new RpcError(
  Code.FAILED_PRECONDITION,
  'this address speaks TLS: write grpcs:// or https:// before it',
)
/** Sent as HTTP/1.1: TLS clients recognise from it that there is no TLS, and some show it. */
const noTlsHere = 'this address speaks without TLS: write grpc:// or http:// before it\n'
const noTlsAnswer = `HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: ${noTlsHere.length}\r\nconnection: close\r\n\r\n${noTlsHere}`

/** Serves an accepted socket. Its handler changes as its protocol becomes known; it is always swept and drained. */
export function takeConnection(context: ConnectionContext, accepted: Socket, admitted: boolean): void {
  const { connections, handshakes, strikes, doors, tls, onTurnedAway } = context
  if (connections.size >= context.connectionsMax && !makePlace(connections)) {
    accepted.destroy()
    return
  }
  const peer = peerOf(accepted)
  const address = accepted.remoteAddress ?? 'unknown'
  const slow = () => strikes.fault(address)
  let connection: Connection
  const become = (next: Connection) => {
    connections.delete(connection)
    connection = next
    connections.add(connection)
  }
  accepted.once('close', () => connections.delete(connection))

  /** The client only gets the reason. */
  const turnAway = (why: RpcError): Door => {
    onTurnedAway(why.message, peer)
    const timer = setTimeout(() => connection.destroy(), farewellMsMax)
    accepted.once('close', () => clearTimeout(timer))
    return doors.closed(why)
  }
  const arrive = (socket: Socket, door: Door) => {
    become(new Arrival(socket, slow, (protocol, head) => become(speak(protocol, socket, head, door))))
  }
  const shakeHands = (secured: ServerTls, head: Buffer) => {
    if (handshakes.size >= context.handshakesMax) handshakes.values().next().value?.destroy()
    const handshake = new Handshake(
      accepted,
      head,
      secured,
      ({ socket, refused }) => {
        handshakes.delete(handshake)
        if (!admitted) arrive(socket, turnAway(notAdmitted))
        else if (refused !== undefined) arrive(socket, turnAway(new RpcError(Code.UNAUTHENTICATED, refused)))
        else arrive(socket, doors.open)
      },
      (error) => onTurnedAway(`a TLS handshake failed: ${handshakeProblem(error) ?? error.message}`, peer),
    )
    handshakes.add(handshake)
    accepted.once('close', () => handshakes.delete(handshake))
    become(handshake)
  }
  connection = new Arrival(accepted, slow, (protocol, head) => {
    if (protocol === 'tls') {
      if (tls) return shakeHands(tls, head)
      onTurnedAway('a client spoke TLS, and this address speaks without', peer)
      accepted.on('error', () => accepted.destroy())
      accepted.end(noTlsAnswer, () => accepted.destroySoon())
      return
    }
    const why = admitted ? tls && withoutTls : notAdmitted
    become(speak(protocol, accepted, head, why ? turnAway(why) : doors.open))
  })
  connections.add(connection)
  // A client that is not admitted does not get long to speak either.
  if (admitted) return
  const timer = setTimeout(() => connection.destroy(), farewellMsMax)
  accepted.once('close', () => clearTimeout(timer))
}

function speak(protocol: Protocol, socket: Socket, head: Buffer, door: Door): Connection {
  if (protocol !== 'http2') return door.http1.take(socket, head)
  const shared = readShared(socket, (chunk) => session.read(chunk))
  const session = new Session(shared, door.http2)
  session.read(head)
  return session
}

/** Closes an idle connection to admit another: a client with thousands of open connections must not lock others out. */
function makePlace(connections: Set<Connection>): boolean {
  for (const connection of connections) {
    if (!connection.idle) continue
    connections.delete(connection)
    connection.destroy()
    return true
  }
  return false
}

function peerOf({ remoteAddress = 'unknown', remotePort = 0 }: Socket): string {
  return `${remoteAddress}:${remotePort}`
}
