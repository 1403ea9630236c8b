import type { JSONWebKeySet, JWTPayload } from 'jose'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { createKeySet, type KeySet } from './key-set.ts'
import type { Role } from './rights.ts'

/** An issuer of JSON Web Tokens, and what its tokens permit here. */
export interface IssuerSettings {
  readonly issuer: string
  readonly audience: string | readonly string[]
  /** The URL or file of its public keys (RFC 7517). */
  readonly jwks: string
  /** The first grant whose claims all match applies. */
  readonly grants: readonly ClaimGrant[]
}

export interface ClaimGrant {
  /** The values that claims must have; where a list is given, one of them. */
  readonly when?: Readonly<Record<string, Claim | readonly Claim[]>> | undefined
  readonly role: Role
  readonly instances?: readonly string[] | undefined
}
type Claim = string | number | boolean

/** What a verified token said; without a grant if its claims match none. */
export interface Verified {
  readonly subject: string
  readonly untilMs: number
  readonly grant: ClaimGrant | undefined
}

/** Only signatures, made with a private key: no `none`, no shared secrets (RFC 8725, section 3.1). */
const algorithms = ['RS256', 'ES256', 'EdDSA', 'Ed25519']
/** Tolerated clock skew between issuer and server. */
const skewSeconds = 60
const subjectLengthMax = 200

/** Does this have the form of a JSON Web Token? */
export function isJwt(text: string): boolean {
  return /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/.test(text)
}

export interface JwtVerifier {
  /**
   * @returns what the token says, or a sentence that says why it is not accepted
   * @throws Failure 'unavailable' when its issuer's keys cannot be fetched
   */
  verify(token: string): Promise<Verified | string>
}

export function createJwtVerifier(issuers: readonly IssuerSettings[], clock: Clock, log: Log): JwtVerifier {
  const known = new Map(
    issuers.map((settings) => [settings.issuer, { settings, keys: createKeySet(settings.jwks, clock, log) }]),
  )
  return {
    async verify(token) {
      const jose = await import('jose')
      const issuer = known.get(claimedIssuer(jose, token) ?? '')
      if (!issuer) return 'this server does not know its issuer'
      const { settings, keys } = issuer
      const payload = await verified(jose, token, settings, keys, clock)
      if (typeof payload === 'string') return payload
      return {
        subject: String(payload.sub ?? '').slice(0, subjectLengthMax),
        untilMs: ((payload.exp ?? 0) + skewSeconds) * 1000,
        grant: settings.grants.find(({ when }) => matches(payload, when ?? {})),
      }
    },
  }
}

type Jose = typeof import('jose')

/** Only selects whose keys to use: nothing in an unverified token is trusted. */
function claimedIssuer(jose: Jose, token: string): string | undefined {
  try {
    return jose.decodeJwt(token).iss
  } catch (error) {
    if (error instanceof jose.errors.JWTInvalid) return undefined
    throw error
  }
}

async function verified(
  jose: Jose,
  token: string,
  { issuer, audience }: IssuerSettings,
  keys: KeySet,
  clock: Clock,
): Promise<JWTPayload | string> {
  const check = async (set: JSONWebKeySet) => {
    const { payload } = await jose.jwtVerify(token, jose.createLocalJWKSet(set), {
      algorithms,
      issuer,
      audience: typeof audience === 'string' ? audience : [...audience],
      clockTolerance: skewSeconds,
      currentDate: new Date(clock.now()),
      requiredClaims: ['exp'],
    })
    return payload
  }
  try {
    try {
      return await check(await keys.keys(false))
    } catch (error) {
      // The issuer may have a new key.
      if (error instanceof jose.errors.JWKSNoMatchingKey) return await check(await keys.keys(true))
      throw error
    }
  } catch (error) {
    if (error instanceof jose.errors.JOSEError) return reasonOf(jose, error)
    throw error
  }
}

/** The reason, without quoting the token. */
function reasonOf(jose: Jose, error: Error): string {
  if (error instanceof jose.errors.JWTExpired) return 'it has expired'
  if (error instanceof jose.errors.JWTClaimValidationFailed) return `its claim "${error.claim}" is not as it has to be`
  if (error instanceof jose.errors.JOSEAlgNotAllowed) return `its algorithm is not one of ${algorithms.join(', ')}`
  if (error instanceof jose.errors.JWKSNoMatchingKey) return 'its key does not belong to its issuer'
  if (error instanceof jose.errors.JWSSignatureVerificationFailed) return 'its signature is wrong'
  return 'it is malformed'
}

function matches(payload: JWTPayload, when: NonNullable<ClaimGrant['when']>): boolean {
  return Object.entries(when).every(([claim, wanted]) => {
    const values = [Object.hasOwn(payload, claim) ? payload[claim] : undefined].flat()
    return [wanted].flat().some((each) => values.includes(each))
  })
}
