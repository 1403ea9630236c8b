import type { X509Certificate } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { printable } from '../core/printable.ts'
import type { Secret } from '../core/secret.ts'
import { vouchFor } from '../wire/identity.ts'
import type { Role } from './rights.ts'
import type { Grant } from './visitor.ts'

/** What a client may do whose certificate has this name. */
export interface CertificateGrant {
  /**
   * A subject alternative name: a DNS name, whose first label may be `*`, or a URI or e-mail address, matched as a
   * whole.
   */
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

/** The type of a configured name, told by its form. */
export function typeOfName(san: string): NameType {
  if (/^[a-z][a-z0-9+.-]*:/i.test(san)) return 'URI'
  return san.includes('@') ? 'email' : 'DNS'
}

/**
 * Does a name of a certificate match a configured one? DNS names are compared case-insensitively; `*` stands for
 * exactly one whole label, the leftmost (RFC 6125, section 6.4.3), and never matches a `*` in the certificate.
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
 * The subject alternative names of a certificate that identify its holder, in its order. Names with special characters,
 * which Node quotes, are left out; from text that is not in Node's format, nothing is taken. The common name does not
 * count.
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

/** What clients may do that present certificates which the transport has verified. */
export interface CertificateJudge {
  /** `wrong` is a sentence that says why no grant matches. */
  judge(certificate: X509Certificate): Grant | { readonly wrong: string }
}

/** @param secret with which the cluster's servers vouch to each other for a client that has no other credentials */
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
