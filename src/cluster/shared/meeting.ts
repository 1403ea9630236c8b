import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { Failure } from '../../core/failure.ts'
import { fingerprintOf, isSignedByTrusted } from '../../wire/tls/fingerprint.ts'
import { hostsIn } from '../../wire/tls/handshake-errors.ts'

/**
 * How another machine recognises servers that present these certificates, their own first: by the last one; null where
 * every machine trusts it already.
 */
export function fingerprintFor(chain: readonly X509Certificate[]): string | null {
  const top = chain.at(-1)
  return top === undefined || isSignedByTrusted(top) ? null : fingerprintOf(top)
}

/**
 * @param next what else would help
 * @throws Failure 'invalid' for a name or an address that the certificate does not cover
 */
export function assertCertified(
  host: string,
  certificate: X509Certificate | undefined,
  next: readonly string[] = [],
): void {
  const isFor = isIP(host) ? certificate?.checkIP(host) : certificate?.checkHost(host)
  if (isFor !== undefined) return
  throw new Failure('invalid', `the certificate of this cluster is not for ${host}, so no machine would accept it`, {
    where: '--host',
    next: [`It is for ${hostsIn(certificate?.subjectAltName) || 'no name at all'}.`, ...next],
  })
}
