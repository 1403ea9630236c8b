import { errnoOf } from '../../core/failure.ts'
import { printable } from '../../core/printable.ts'

/** What is wrong with a peer's certificate, as the end of a sentence that begins "its certificate". */
const certificateWords: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet: is the clock of one of the two machines wrong?',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is signed by itself, and is not among the trusted ones',
  SELF_SIGNED_CERT_IN_CHAIN: 'is signed by an authority that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'is signed by an authority that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'is signed by an authority that is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'is signed by an authority that is not trusted',
  CERT_SIGNATURE_FAILURE: 'has a signature that is not that of its authority',
  CERT_UNTRUSTED: 'is signed by an authority that is not trusted',
  CERT_REVOKED: 'has been revoked',
  CERT_CHAIN_TOO_LONG: 'has too many authorities above it',
  INVALID_CA: 'is signed by a certificate that is not an authority',
  INVALID_PURPOSE: 'is not for this use',
  PATH_LENGTH_EXCEEDED: 'has more authorities above it than they allow',
}

const noTls = 'it does not speak TLS here: write grpc:// for a server without TLS'
const notAccepted = 'it does not accept the certificate that it was shown'

/** What went wrong in a handshake, by OpenSSL's reason (some have two names): clauses in which "it" is the peer. */
const handshakeWords: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it offers no version of TLS that is taken here: 1.2 or 1.3',
  ERR_SSL_NO_SHARED_CIPHER: 'it offers no cipher that is taken here',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'it offers neither HTTP/2 nor HTTP/1.1',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it takes no version of TLS that is offered here: 1.2 or 1.3',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'it does not speak HTTP/2 here',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'it does not trust the authority of the certificate that it was shown',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: notAccepted,
  'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE': notAccepted,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: notAccepted,
  'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_UNKNOWN': notAccepted,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'it says that the certificate that it was shown has expired',
  'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED': 'it says that the certificate that it was shown has expired',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it asks for a certificate of this client',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'it refuses the handshake: it may ask for a certificate of this client',
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE': 'it refuses the handshake: it may ask for a certificate of this client',
}

/** What is wrong with a certificate, by the verifier's code, as the end of a sentence; undefined for another error. */
export function certificateProblem(code: string | undefined): string | undefined {
  return code === undefined ? undefined : certificateWords[code]
}

const untrusted: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
])

/** Did the handshake fail because nobody said that the authority of the certificate is to be trusted? */
export function isUntrusted(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) if (untrusted.has(errnoOf(each) ?? '')) return true
  return false
}

/** Did the handshake fail because the certificate is not for the host that was called? */
export function isForOtherName(error: unknown): boolean {
  return errnoOf(error) === 'ERR_TLS_CERT_ALTNAME_INVALID'
}

/** What a failed handshake means, in words; undefined for an error that has nothing to do with TLS. */
export function handshakeProblem(error: unknown): string | undefined {
  const code = errnoOf(error)
  if (code === undefined) return undefined
  if (code === 'ERR_NATIVE_TLS_PIN') return 'its certificate is not the one that it is said to have'
  if (isForOtherName(error)) return `its certificate is for another name${namesOf(error)}`
  const certificate = certificateWords[code]
  if (certificate !== undefined) return `its certificate ${certificate}`
  const [, alert] = /^ERR_SSL_.*_ALERT_(\w+)$/.exec(code) ?? []
  const other = alert
    ? `it broke off with the alert "${alert.toLowerCase().replaceAll('_', ' ')}"`
    : `OpenSSL says ${code}`
  return handshakeWords[code] ?? (code.startsWith('ERR_SSL_') ? other : undefined)
}

/** The names that a certificate is for, if the error tells. */
function namesOf(error: unknown): string {
  const { cert } = error as { cert?: { subjectaltname?: unknown } }
  const names = hostsIn(cert?.subjectaltname)
  return names === '' ? '' : `: for ${printable(names, 300)}`
}

/** The names and addresses of a certificate as OpenSSL tells them, without what it says of their kind. */
export function hostsIn(names: unknown): string {
  return typeof names === 'string' ? names.replaceAll(/(^|, )(?:DNS|IP Address):/g, '$1') : ''
}
