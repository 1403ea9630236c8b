import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { errnoOf } from '../../core/failure.ts'
import type { Connection } from '../connection.ts'
import { certificateProblem } from './handshake-errors.ts'
import type { ServerTls } from './server-tls.ts'

/** Sweeps, every five seconds, within which a handshake has to end. */
const sweepsMax = 2
/**
 * The first of these that a client offers is used. gRPC clients offer only h2; HTTP clients, such as curl, also offer
 * http/1.1, the protocol of our HTTP handlers (http1/).
 */
const protocols = ['http/1.1', 'h2', 'http/1.0']

export interface Outcome {
  readonly socket: TLSSocket
  /** Why this client may do nothing although it is connected: its certificate was not accepted. */
  readonly refused: string | undefined
}

/** A connection in the TLS handshake. */
export class Handshake implements Connection {
  readonly #socket: TLSSocket
  #sweeps = 0

  /**
   * @param accepted paused: nobody else reads from it any more
   * @param head what has already been read from it
   * @param done called once, when the handshake has succeeded
   * @param failed called once with OpenSSL's reason if it has failed; not if the client just disconnects
   */
  constructor(
    accepted: Socket,
    head: Buffer,
    tls: ServerTls,
    done: (outcome: Outcome) => void,
    failed: (error: Error) => void,
  ) {
    const { TLSSocket: Secure } = process.getBuiltinModule('node:tls')
    accepted.unshift(head)
    const socket = new Secure(accepted, {
      isServer: true,
      secureContext: tls.current(),
      ALPNProtocols: protocols,
      requestCert: tls.clients !== 'not asked',
      // Node would close the connection silently: serve.ts says why instead.
      rejectUnauthorized: false,
    })
    this.#socket = socket
    let over = false
    const fail = (error: Error) => {
      socket.destroy()
      if (!over && errnoOf(error)?.startsWith('ERR_SSL_')) failed(error)
      over = true
    }
    socket.on('error', fail)
    // Handshake errors arrive only here.
    socket.on('_tlsError', fail)
    socket.once('secure', () => {
      socket.off('error', fail)
      socket.off('_tlsError', fail)
      done({ socket, refused: refusal(socket, tls) })
    })
  }

  /** It never takes a place from a client that may be honest. */
  get idle(): boolean {
    return this.#sweeps > 0
  }

  sweep(): void {
    this.#sweeps += 1
    if (this.#sweeps > sweepsMax) this.destroy()
  }

  drain(): void {
    this.destroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/** The certificate that a client presented on this connection; undefined if none, or without TLS. */
export function certificateOf(socket: Socket): X509Certificate | undefined {
  return 'encrypted' in socket ? (socket as TLSSocket).getPeerX509Certificate() : undefined
}

/** Why a client with a missing or unaccepted certificate is refused. */
function refusal(socket: TLSSocket, { clients }: ServerTls): string | undefined {
  if (clients === 'not asked') return undefined
  if (socket.getPeerX509Certificate() === undefined)
    return clients === 'required' ? 'this server asks for a client certificate, and none was shown' : undefined
  const code = verifyErrorOf(socket)
  if (code === undefined) return undefined
  return `the client certificate is not accepted: it ${certificateProblem(code) ?? `does not stand the check (${code})`}`
}

/** OpenSSL's verdict, which Node passes on only to sockets of its own servers; if it is missing, that is not a yes. */
function verifyErrorOf(socket: TLSSocket): string | undefined {
  const { ssl } = socket as unknown as { ssl?: { verifyError?(): (Error & { code?: string }) | null } | null }
  if (!ssl?.verifyError) return 'UNKNOWN'
  const error = ssl.verifyError()
  return error ? (error.code ?? 'UNKNOWN') : undefined
}
