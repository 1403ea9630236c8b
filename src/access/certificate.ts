import type { X509Certificate } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { printable } from '../core/printable.ts'
import type { Secret } from '../core/secret.ts'
import { vouchFor } from '../wire/identity.ts'
import type { Role } from './rights.ts'
import type { Grant } from './visitor.ts'

/** What somebody may do whose certificate has such a name. */
export interface CertificateGrant {
  /** A subject alternative name: DNS, of which the first label may be `*`; a URI or an e-mail address, as a whole. */
  readonly san: string
  readonly role: Role
  readonly instances?: readonly string[] | undefined
}

type NameType = 'DNS' | 'URI' | 'email'
interface Name {
  readonly type: NameType
  readonly value: string
}

const types: ReadonlySet<string> = new Set(['DNS', 'URI', 'email'])
const namesMax = 100
const shownLengthMax = 200

/** Of what type a name of a configuration is, by its form. */
export function typeOfName(san: string): NameType {
  if (/^[a-z][a-z0-9+.-]*:/i.test(san)) return 'URI'
  return san.includes('@') ? 'email' : 'DNS'
}

/**
 * Does a name of a certificate fit one of a configuration? Case makes no difference in DNS names; `*` stands for one whole
 * label in the first place (RFC 6125, section 6.4.3), and never for a `*` in the certificate.
 */
function fits({ type, value }: Name, san: string): boolean {
  if (type !== typeOfName(san)) return false
  if (type !== 'DNS') return value === san
  const [name, pattern] = [value.toLowerCase(), san.toLowerCase()]
  if (!/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(name)) return false
  if (!pattern.startsWith('*.')) return name === pattern
  return name.slice(name.indexOf('.')) === pattern.slice(1) && name.includes('.')
}

/**
 * The subject alternative names of a certificate that are names of somebody, in its order. One with special characters, which
 * Node puts into quotes, is left out; of a text that is not as Node writes it, nothing is taken. The common name does not count.
 */
export function namesIn({ subjectAltName = '' }: Pick<X509Certificate, 'subjectAltName'>): Name[] {
  const names: Name[] = []
  const each = /(?:^|, )([A-Za-z ]+):(?:("(?:[^"\\]|\\.)*")|([^",]*))(?=, |$)/y
  while (each.lastIndex < subjectAltName.length) {
    const [, type = '', quoted, value = ''] = each.exec(subjectAltName) ?? []
    if (type === '' || names.length >= namesMax) return []
    if (types.has(type) && quoted === undefined) names.push({ type: type as NameType, value })
  }
  return names
}

/** What those may do who show certificates that the transport has verified. */
export interface CertificateJudge {
  /** Why no grant fits stands in the sentence that `wrong` is. */
  judge(certificate: X509Certificate): Grant | { readonly wrong: string }
}

/** @param secret with which the cluster's servers tell each other of somebody who has no other credentials */
export function createCertificateJudge(
  grants: readonly CertificateGrant[],
  secret: Secret | undefined,
  clock: Clock,
): CertificateJudge {
  return {
    judge(certificate) {
      const names = namesIn(certificate)
      const shown = names.map(({ type, value }) => `${type}:${value}`).join(', ')
      const name = `the certificate of ${printable(shown, shownLengthMax) || 'nobody that is named'}`
      const untilMs = certificate.validToDate.getTime()
      if (clock.now() >= untilMs) return { wrong: `${name} has expired` }
      const grant = grants.find(({ san }) => names.some((each) => fits(each, san)))
      if (!grant)
        return { wrong: `${name} fits none of the "certificates" of this server, and no other credentials came` }
      const { role, instances } = grant
      return {
        name,
        standing: role,
        instances,
        untilMs,
        ...(secret && { vouch: vouchFor({ name, role, instances }, secret, clock.now) }),
      }
    },
  }
}
