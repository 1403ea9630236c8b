import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { Failure } from '../../core/failure.ts'
import { fingerprintOf, isSignedByTrusted } from '../../wire/tls/fingerprint.ts'

/**
 * How another machine recognises servers that present these certificates, their own first: by the last one; null where
 * every machine trusts it already.
 */
export function fingerprintFor(chain: readonly X509Certificate[]): string | null {
  const top = chain.at(-1)
  return top === undefined || isSignedByTrusted(top) ? null : fingerprintOf(top)
}

/** @throws Failure 'invalid' for a name or an address that the certificate does not cover */
export function assertCertified(host: string, certificate: X509Certificate | undefined): void {
  const isFor = isIP(host) ? certificate?.checkIP(host) : certificate?.checkHost(host)
  if (isFor !== undefined) return
  throw new Failure('invalid', `the certificate of this cluster is not for ${host}, so no machine would accept it`, {
    where: '--host',
    next: [`It is for ${certificate?.subjectAltName ?? 'no name at all'}.`],
  })
}
