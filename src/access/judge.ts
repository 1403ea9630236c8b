import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import type { Secret } from '../core/secret.ts'
import type { Log } from '../telemetry/log.ts'
import { identityIn, isIdentity, isVouched, vouchedIn } from '../wire/identity.ts'
import { type Credentials, readCredentials } from './credentials.ts'
import { isPassword, type Passwords } from './htpasswd.ts'
import { isJwt, type JwtVerifier } from './jwt.ts'
import { type Role, roles } from './rights.ts'
import type { TicketEntry } from './tickets-file.ts'
import { entryOf, isTicket, isToken, type TokenEntry } from './token.ts'
import type { Grant } from './visitor.ts'

/** What credentials are checked against. */
export interface Known {
  readonly clock: Clock
  readonly log: Log
  readonly secret: Secret | undefined
  tokens(): ReadonlyMap<string, TokenEntry>
  tickets(): ReadonlyMap<string, TicketEntry>
  passwords(): Passwords
  readonly passwordRole: Role
  readonly passwordInstances: readonly string[] | undefined
  readonly jwts: JwtVerifier | undefined
}

/** The grant that credentials carry, or a sentence for their sender about what is wrong with them. */
export type Judgement = Grant | { readonly wrong: string }

/** @returns a promise for slow checks; it never rejects */
export function judge(authorization: string, known: Known): Judgement | Promise<Judgement> {
  const atOnce = judgeAtOnce(authorization, known)
  if (atOnce) return atOnce
  const credentials = readCredentials(authorization)
  const secret = secretOf(credentials)
  if (isJwt(secret) && known.jwts) return jwt(secret, known.jwts, known.log)
  if (credentials.kind === 'basic') return password(credentials.user, secret, known)
  return { wrong: 'this is not a token of this server, or not all of it: check that it was copied whole' }
}

/** The same for credentials that only need a look-up; undefined for those whose check may be slow. */
export function judgeAtOnce(authorization: string, known: Known): Judgement | undefined {
  if (isIdentity(authorization)) return server(authorization, known)
  if (isVouched(authorization)) return vouched(authorization, known)
  const credentials = readCredentials(authorization)
  if (credentials.kind === 'unknown')
    return { wrong: 'the header "authorization" is neither "Bearer TOKEN" nor "Basic ..."' }
  const secret = secretOf(credentials)
  if (isToken(secret)) return token(secret, known)
  return isTicket(secret) ? ticket(secret, known) : undefined
}

/** Proof from a server of the cluster, for itself or for a client: it cannot be guessed. */
export function isProof(authorization: string): boolean {
  return isIdentity(authorization) || isVouched(authorization)
}

function secretOf(credentials: Credentials): string {
  if (credentials.kind === 'unknown') return ''
  return credentials.kind === 'bearer' ? credentials.token : credentials.password
}

const otherSecret = 'the calling server has a different secret, or its clock is more than a minute off'

/** A client that another server of the cluster vouches for. */
function vouched(authorization: string, { secret, clock }: Known): Judgement {
  const found = secret && vouchedIn(authorization, secret, clock.now())
  const standing = roles.find((role) => role === found?.client.role)
  if (!found || standing === undefined) return { wrong: otherSecret }
  const { name, instances } = found.client
  return { name, standing, instances, untilMs: found.untilMs, renewed: true }
}

function server(authorization: string, { secret, clock }: Known): Judgement {
  const found = secret && identityIn(authorization, secret, clock.now())
  if (!found) return { wrong: otherSecret }
  const { role, untilMs } = found
  return { name: `the cluster's ${role}`, standing: role, untilMs, renewed: true }
}

function token(text: string, { tokens, clock }: Known): Judgement {
  const entry = entryOf(text, tokens())
  if (!entry)
    return {
      wrong:
        'the token is unknown or was revoked: ask for another, of `native token create` or, for a machine that joins, `native invite`',
    }
  const untilMs = entry.expires === null ? undefined : Date.parse(entry.expires)
  if (untilMs !== undefined && clock.now() >= untilMs)
    return {
      wrong: `the token ${JSON.stringify(entry.name)} expired at ${entry.expires}: ask for another (native token rotate)`,
    }
  return {
    name: `token ${JSON.stringify(entry.name)}`,
    standing: entry.role,
    instances: entry.instances,
    untilMs,
    holds: () => JSON.stringify(tokens().get(entry.id)) === JSON.stringify(entry),
  }
}

/** The holder of an invitation; whether it has been used already is only checked when it is redeemed. */
function ticket(text: string, { tickets, clock }: Known): Judgement {
  const entry = entryOf(text, tickets())
  if (!entry) return { wrong: 'the invitation is unknown or was revoked: ask for another (native invite)' }
  const name = `the invitation ${JSON.stringify(entry.name)}`
  const untilMs = Date.parse(entry.expires)
  if (clock.now() >= untilMs) return { wrong: `${name} expired at ${entry.expires}: ask for another (native invite)` }
  return { name, standing: 'invited', untilMs, holds: () => tickets().has(entry.id) }
}

async function password(user: string, text: string, known: Known): Promise<Judgement> {
  const passwords = known.passwords()
  const hash = passwords.get(user)
  if (passwords.size === 0 || !(await isPassword(passwords, user, text)))
    return { wrong: 'the name is unknown, or the password is wrong' }
  return {
    name: `user ${JSON.stringify(user.slice(0, 100))}`,
    standing: known.passwordRole,
    instances: known.passwordInstances,
    holds: () => known.passwords().get(user) === hash,
  }
}

async function jwt(text: string, jwts: JwtVerifier, log: Log): Promise<Judgement> {
  try {
    const verified = await jwts.verify(text)
    if (typeof verified === 'string') return { wrong: `the JSON Web Token is not valid: ${verified}` }
    const { subject, untilMs, grant } = verified
    const name = `token of ${JSON.stringify(subject)}`
    if (!grant)
      return { name, standing: 'nobody', untilMs, denial: 'its claims match none of the grants of this server' }
    return { name, standing: grant.role, instances: grant.instances, untilMs }
  } catch (error) {
    if (!(error instanceof Failure)) log.error('a JSON Web Token could not be checked', { error })
    return { wrong: 'the JSON Web Token cannot be checked now: the keys of its issuer cannot be fetched' }
  }
}
