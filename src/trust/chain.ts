import type { X509Certificate } from '@sigstore/core'
import type { TrustMaterial } from '@sigstore/verify'
import { Rejection } from './rejection.ts'

type Authority = TrustMaterial['certificateAuthorities'][number]

/**
 * Checks that the certificate and all its issuers were valid at each of these times. The chain itself is verified by
 * @sigstore/verify; this tells "expired" from other flaws, and checks issuers again (CVE-2026-24122).
 * @param times milliseconds since 1970, not empty
 * @throws Rejection 'other-signer' when no trusted authority issued it, 'expired'
 */
export function assertValidAt(
  certificate: X509Certificate,
  authorities: readonly Authority[],
  times: readonly number[],
  rootName: string,
): void {
  const issuing = authorities.filter((each) => each.certChain.some((issuer) => isIssuedBy(certificate, issuer)))
  if (issuing.length === 0)
    throw new Rejection('other-signer', `its certificate was not issued by an authority of ${rootName}`)
  for (const time of times) {
    const date = new Date(time)
    if (!certificate.validForDate(date))
      throw new Rejection('expired', `its certificate was valid ${span(certificate)}, but it was made ${text(date)}`)
    const isValid = issuing.some(
      ({ certChain, validFor }) =>
        validFor.start <= date && date <= validFor.end && certChain.every((each) => each.validForDate(date)),
    )
    if (!isValid)
      throw new Rejection('expired', `the authority of its certificate was not valid when it was made, ${text(date)}`)
  }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer)
  } catch {
    // An issuer with another type of key is not the issuer.
    return false
  }
}

function span({ notBefore, notAfter }: X509Certificate): string {
  return `from ${text(notBefore)} to ${text(notAfter)}`
}

function text(date: Date): string {
  return date.toISOString()
}
