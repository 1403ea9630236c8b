import { createHash, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { hostPortText, parseGrpcUrl } from '../../core/address.ts'
import { Failure } from '../../core/failure.ts'
import { systemFailure } from '../../host/system-errors.ts'
import { handshakeProblem } from './handshake-errors.ts'

/** A handshake takes three round trips; on a slow link, seconds. */
const handshakeMsMax = 15_000
/** Longer than any chain that is accepted anywhere. */
const chainMax = 10

/** A certificate's SHA-256 in a form to be pasted: `sha256:` and 64 hexadecimal digits. */
export function fingerprintOf(certificate: X509Certificate): string {
  return `sha256:${createHash('sha256').update(certificate.raw).digest('hex')}`
}

/**
 * A fingerprint as people write it: colons between the bytes and capital letters, as openssl prints them, are accepted.
 * @throws Failure 'invalid'
 */
export function parseFingerprint(text: string, where: string): string {
  const [, digits = ''] = /^sha-?256:([0-9a-f:]+)$/i.exec(text.trim()) ?? []
  const hex = digits.replaceAll(':', '').toLowerCase()
  if (hex.length === 64) return `sha256:${hex}`
  throw new Failure('invalid', 'expected a fingerprint: sha256: and 64 hexadecimal digits', {
    where,
    next: ['Copy the whole line that `native invite` printed.'],
  })
}

/**
 * Does every machine trust this certificate's issuer without being told: is it an authority that comes with Node? What
 * this machine trusts in addition, such as its company's authority, another one may not.
 */
export function isSignedByTrusted(certificate: X509Certificate): boolean {
  const { getCACertificates } = process.getBuiltinModule('node:tls')
  return getCACertificates('bundled').some((pem) => {
    const authority = new X509Certificate(pem)
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
  })
}

/** The certificate with the expected fingerprint, among those that a server presented. */
export interface Introduced {
  /** PEM. */
  readonly pem: string
  /** Is it the server's own, rather than its authority's? */
  readonly isOwn: boolean
}

/**
 * Connects to a server and picks the certificate with this fingerprint. Nothing is sent to the server or accepted from
 * it: whether it has the key is for the next connection to prove, which trusts only that certificate.
 * @param url `grpcs://host:port`
 * @throws Failure 'denied' if no certificate has the fingerprint, 'unavailable' if no TLS server answers
 */
export async function certificateBy(fingerprint: string, url: string, signal: AbortSignal): Promise<Introduced> {
  const shown = await certificatesShownBy(url, signal)
  const at = shown.findIndex((each) => fingerprintOf(each) === fingerprint)
  const found = shown[at]
  if (found) return { pem: found.toString(), isOwn: at === 0 }
  const last = shown.at(-1)
  throw new Failure('denied', 'the server that answers is not the one that issued the invitation', {
    where: url,
    next: [
      `Its authority has the fingerprint ${last ? fingerprintOf(last) : 'of none'}, and the invitation says ${fingerprint}.`,
      'Ask for a new invitation if the cluster was set up again; otherwise, someone else is answering in its place.',
    ],
  })
}

/** The chain of a server, its own certificate first. */
async function certificatesShownBy(url: string, signal: AbortSignal): Promise<X509Certificate[]> {
  const place = parseGrpcUrl(url)
  if (!('host' in place) || !place.secure)
    throw new Failure('invalid', 'a server without TLS has no certificate', { where: url, next: ['Write grpcs://.'] })
  const { connect } = process.getBuiltinModule('node:tls')
  const { host, port } = place
  const socket = connect({
    host,
    port,
    servername: isIP(host) ? '' : host,
    // The only connection that does not verify its peer: it only reads the certificates, and carries nothing else.
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.2',
  })
  try {
    await secured(socket, AbortSignal.any([signal, AbortSignal.timeout(handshakeMsMax)]))
    return chainOf(socket)
  } catch (error) {
    signal.throwIfAborted()
    const problem = handshakeProblem(error)
    if (problem !== undefined)
      throw new Failure('unavailable', `no TLS server answers: ${problem}`, { where: url, cause: error })
    if (error instanceof DOMException)
      throw new Failure('deadline', `no answer within ${handshakeMsMax / 1000} s`, { where: url, cause: error })
    throw systemFailure(error, { doing: 'cannot connect', where: hostPortText(place) })
  } finally {
    socket.destroy()
  }
}

function secured(socket: TLSSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    socket.once('secureConnect', resolve)
    socket.once('close', () => reject(new Failure('unavailable', 'the server closed the connection')))
    socket.on('error', reject)
  })
}

function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  let next = socket.getPeerCertificate(true)
  while (next?.raw !== undefined && chain.length < chainMax) {
    const certificate = new X509Certificate(next.raw)
    if (chain.some((each) => each.raw.equals(certificate.raw))) break
    chain.push(certificate)
    next = next.issuerCertificate
  }
  return chain
}
