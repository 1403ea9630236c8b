import { X509Certificate as NodeCertificate } from 'node:crypto'
import { X509Certificate } from '@sigstore/core'
import { printable } from '../core/printable.ts'
import { certificateBytesMax, nameCharactersMax, namesMax } from './limits.ts'
import { Rejection } from './rejection.ts'
import { type WorkflowClaim, workflowClaims, workflowOids } from './workflow.ts'

const issuerOid = '1.3.6.1.4.1.57264.1.8'
const issuerOidRaw = '1.3.6.1.4.1.57264.1.1'
const userNameOid = '1.3.6.1.4.1.57264.1.7'
const alternativeNameOid = '2.5.29.17'
const codeSigningOid = '1.3.6.1.5.5.7.3.3'

/** The names in a certificate. */
export interface CertificateNames {
  /** URIs, e-mail addresses and Fulcio's user names; a Fulcio certificate has one. */
  readonly identities: readonly string[]
  /** Who vouched for the identity (an OIDC issuer), or undefined. */
  readonly issuer: string | undefined
  readonly workflow: Readonly<Partial<Record<WorkflowClaim, string>>>
}

/**
 * Parses an untrusted certificate.
 * @param bytes DER
 * @throws Rejection 'malformed'
 */
export function readCertificate(bytes: Uint8Array): X509Certificate {
  if (bytes.byteLength > certificateBytesMax) throw new Rejection('malformed', 'its certificate is too large')
  try {
    const certificate = X509Certificate.parse(Buffer.from(bytes))
    // Touch the parts needed later: the parser locates them lazily, and would only fail then.
    void [certificate.notBefore, certificate.notAfter, certificate.publicKey, certificate.extensions]
    return certificate
  } catch (cause) {
    throw new Rejection('malformed', 'its certificate cannot be read', { cause })
  }
}

/**
 * The names in a certificate.
 * @throws Rejection 'malformed'
 */
export function namesOf(certificate: X509Certificate): CertificateNames {
  try {
    const workflow: Partial<Record<WorkflowClaim, string>> = {}
    for (const claim of workflowClaims) {
      const value = rawText(certificate, workflowOids[claim])
      if (value !== undefined) workflow[claim] = value
    }
    return { identities: identitiesOf(certificate), issuer: issuerOf(certificate), workflow }
  } catch (cause) {
    if (cause instanceof Rejection) throw cause
    throw new Rejection('malformed', 'the names in its certificate cannot be read', { cause })
  }
}

/**
 * A certificate for something else (a server, an authority) must not sign code, even if the same authority issued it.
 * @throws Rejection 'other-signer'
 */
export function assertMaySignCode(certificate: X509Certificate): void {
  const { isAuthority, extendedUsage } = usageOf(certificate)
  if (isAuthority)
    throw new Rejection('other-signer', 'its certificate belongs to a certificate authority, not to a signer')
  if (!extendedUsage.includes(codeSigningOid))
    throw new Rejection('other-signer', 'its certificate is not for signing code (extended key usage)')
}

function usageOf(certificate: X509Certificate): { isAuthority: boolean; extendedUsage: readonly string[] } {
  try {
    // Node's keyUsage is the extended one. Its `ca` would be false if the key usage contradicts it.
    const { keyUsage } = new NodeCertificate(certificate.root.toDER())
    return { isAuthority: certificate.extBasicConstraints?.isCA ?? false, extendedUsage: keyUsage ?? [] }
  } catch (cause) {
    throw new Rejection('malformed', 'its certificate cannot be read', { cause })
  }
}

/** Every name that can be an identity; other kinds (DNS, IP) never are. */
function identitiesOf(certificate: X509Certificate): string[] {
  const names = certificate.extension(alternativeNameOid)?.valueObj.subs[0]?.subs ?? []
  if (names.length > namesMax) throw new Rejection('malformed', `its certificate has more than ${namesMax} names`)
  return names.flatMap((name) => {
    if (name.tag.isContextSpecific(6) || name.tag.isContextSpecific(1)) return [text(name.value)]
    const [type, value] = name.subs
    if (!name.tag.isContextSpecific(0) || type?.toOID() !== userNameOid) return []
    return value?.subs[0] ? [text(value.subs[0].value)] : []
  })
}

/**
 * Fulcio includes the issuer twice, as DER and as a raw string, and verifiers differ in which one they read: if the two
 * differ, the certificate would be somebody else to each.
 */
function issuerOf(certificate: X509Certificate): string | undefined {
  const wrapped = certificate.extension(issuerOid)?.valueObj.subs[0]?.value
  const issuer = wrapped && text(wrapped)
  const raw = rawText(certificate, issuerOidRaw)
  if (issuer !== undefined && raw !== undefined && issuer !== raw)
    throw new Rejection('malformed', 'its certificate names two issuers')
  return issuer ?? raw
}

function rawText(certificate: X509Certificate, oid: string): string | undefined {
  const value = certificate.extension(oid)?.value
  return value && text(value)
}

/** Others may read a name with a NUL, a line break or a byte order mark differently. */
function text(bytes: Uint8Array): string {
  const value = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  if (value.length > nameCharactersMax || printable(value, nameCharactersMax) !== value)
    throw new Rejection('malformed', 'a name in its certificate has characters that are not allowed')
  return value
}
