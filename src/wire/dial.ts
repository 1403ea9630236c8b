import { connect, isIP, type Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { GrpcPlace } from '../core/address.ts'
import { type ClientTls, usualTrust } from './tls/client-tls.ts'

/** A connection is read into one buffer, which is reused when the callback returns. */
interface Reading {
  readonly buffer: Uint8Array
  readonly callback: (length: number) => boolean
}

/**
 * Starts connecting to a gRPC server, with TLS if the place says so. The server has to prove its identity before
 * anything is sent: its certificate must be for the host and from a trusted authority.
 * @param ready called once when the connection is established, including its handshake
 */
export function dial(place: GrpcPlace, tls: ClientTls | undefined, onread: Reading, ready: () => void): Socket {
  if ('path' in place) return connect({ path: place.path, onread }, ready)
  const { host, port, secure } = place
  if (!secure) return connect({ host, port, noDelay: true, onread }, ready)
  const { connect: connectSecure } = process.getBuiltinModule('node:tls')
  const { context, only } = tls ? tls.current() : usualTrust()
  const options: ConnectionOptions & { readonly onread: Reading } = {
    host,
    port,
    // No name is sent for an IP address (RFC 6066, section 3); the certificate is still checked against it.
    servername: isIP(host) ? '' : host,
    secureContext: context,
    ...(only && { checkServerIdentity: (_, { raw }) => (only.equals(raw) ? undefined : notTheOne()) }),
    ALPNProtocols: ['h2'],
    onread,
  }
  const socket = connectSecure(options, () => {
    ready()
    socket.uncork()
  })
  // A write before the handshake is over would fail instead of the handshake, with EPROTO.
  socket.cork()
  socket.setNoDelay(true)
  return socket
}

function notTheOne(): Error {
  return Object.assign(new Error('the certificate is not the one that is expected'), { code: 'ERR_NATIVE_TLS_PIN' })
}
