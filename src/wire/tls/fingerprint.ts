import { createHash, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { hostPortText, parseGrpcUrl } from '../../core/address.ts'
import { Failure } from '../../core/failure.ts'
import { systemFailure } from '../../host/system-errors.ts'
import { handshakeProblem } from './handshake-errors.ts'

/** A handshake takes three trips; on a slow link, seconds. */
const handshakeMsMax = 15_000
/** More than any chain that is accepted anywhere has. */
const chainMax = 10

/** SHA-256 of a certificate as it is written to be pasted: `sha256:` and 64 hexadecimal digits. */
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
 * Does every machine trust whoever signed this certificate without being told: is it an authority that comes with Node? What
 * this machine trusts besides, such as its company's authority, another one may not.
 */
export function isSignedByTrusted(certificate: X509Certificate): boolean {
  const { getCACertificates } = process.getBuiltinModule('node:tls')
  return getCACertificates('bundled').some((pem) => {
    const authority = new X509Certificate(pem)
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
  })
}

/** A certificate that a server showed, which is the one that was meant. */
export interface Introduced {
  /** PEM. */
  readonly pem: string
  /** Is it the server's own, rather than one of its authority? */
  readonly isOwn: boolean
}

/**
 * Has a server show its certificates, and picks the one of this fingerprint. Nothing is said to the server, nor taken
 * from it: that it has the key of what it showed is for the connection to prove that trusts nothing but that certificate.
 * @param url `grpcs://host:port`
 * @throws Failure 'denied' when none of them is the one that is meant, 'unavailable' when no TLS server answers
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
    // The only connection that does not ask who answers: it is made to hear that, and carries nothing.
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
