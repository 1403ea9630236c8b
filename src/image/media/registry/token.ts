import { z } from 'zod'
import type { Clock } from '../../../core/clock.ts'
import { Failure } from '../../../core/failure.ts'
import type { Credentials } from '../../credentials.ts'
import { text } from '../../go-json.ts'
import { checked, parseJson } from '../../manifest.ts'
import { onePiece } from '../../pieces.ts'
import { type Secret, secret } from '../../secret.ts'
import { answerBytes, refusal } from './answers.ts'
import type { Challenge } from './challenge.ts'
import type { Exchange, HttpAnswer } from './exchange.ts'

/** A bearer token and its expiry. */
export interface Token {
  readonly value: Secret
  /** Milliseconds since 1970. */
  readonly expires: number
}

const answerBytesMax = 1024 * 1024
/** The token specification's default, and the minimum that is accepted. */
const lifetimeSecondsMin = 60
const tokenMax = 65_536
const answerSchema = z.preprocess(
  (value) => value ?? {},
  z.looseObject({
    token: text(tokenMax),
    access_token: text(tokenMax),
    // The lifetime is a hint: anything but a number is ignored.
    expires_in: z.number().optional().catch(undefined),
  }),
)

export interface TokenRequest {
  readonly challenge: Challenge
  /** `repository:name:pull,push` and so on. */
  readonly scopes: readonly string[]
  readonly credentials: Credentials | null
  /** Where the challenge came from: a token server must not be asked less securely than the registry was. */
  readonly registry: URL
  /** The registry's name for users. */
  readonly name: string
}

/**
 * Fetches a token as the challenge says (distribution's token specification): GET with Basic
 * for a password, POST with grant_type=refresh_token for an identity token.
 * @throws Failure 'denied' when the login is refused, 'invalid' when the challenge makes no
 *   sense or would send the login in clear text, 'unavailable'
 */
export async function fetchToken(
  request: TokenRequest,
  exchange: Exchange,
  clock: Clock,
  signal: AbortSignal,
): Promise<Token> {
  const realm = realmOf(request)
  const service = request.challenge.parameters.get('service')
  const { credentials } = request
  const answer =
    credentials?.kind === 'identity-token'
      ? await refreshed(request, realm, service, credentials, exchange, signal)
      : await getToken(realm, service, request.scopes, credentials, exchange, signal)
  if (answer.status !== 200) throw await refusal(answer, `get a token from ${realm.host}`, request.name, credentials)
  const bytes = await answerBytes(answer, answerBytesMax)
  const body = checked(answerSchema, parseJson(bytes, 'its answer', realm.host), 'its answer', realm.host)
  const value = body.token || body.access_token
  if (!value) throw new Failure('denied', `${realm.host} answered without a token`, { where: realm.host })
  const lifetime = Math.max(body.expires_in ?? lifetimeSecondsMin, lifetimeSecondsMin)
  return { value: secret(value), expires: clock.now() + lifetime * 1000 }
}

/** `Basic ...`, for a header. */
export function basic(credentials: { user: string; password: Secret }): string {
  return `Basic ${Buffer.from(`${credentials.user}:${credentials.password.reveal()}`).toString('base64')}`
}

/**
 * `Bearer ...`, for a header.
 * @param registry as users name it
 * @throws Failure 'invalid' for a token that no header can hold
 */
export function bearer(token: Secret, registry: string): string {
  const text = token.reveal()
  if (/^[\x21-\x7e]+$/.test(text)) return `Bearer ${text}`
  throw new Failure(
    'invalid',
    'the token contains a space, a line break or another character that is not allowed in a token',
    {
      where: registry,
    },
  )
}

function realmOf({ challenge, registry, credentials }: TokenRequest): URL {
  const text = challenge.parameters.get('realm') ?? ''
  const realm = URL.canParse(text) ? new URL(text) : undefined
  if (!realm || (realm.protocol !== 'https:' && realm.protocol !== 'http:'))
    throw new Failure(
      'invalid',
      `${registry.host} names "${text.slice(0, 200)}" as its token server, which is not a URL`,
      {
        where: registry.host,
      },
    )
  const isSafe = realm.protocol === 'https:' || (registry.protocol === 'http:' && isSameMachine(registry, realm))
  if (credentials && !isSafe)
    throw new Failure('denied', `${registry.host} asks for the login to be sent unencrypted to ${realm.host}`, {
      where: registry.host,
      next: ['A login is only ever sent unencrypted to the registry itself: its token server needs TLS.'],
    })
  return realm
}

/** Whoever can listen between these two has the login already. */
function isSameMachine(registry: URL, realm: URL): boolean {
  const isHere = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
  return realm.hostname === registry.hostname || (isHere(registry) && isHere(realm))
}

function getToken(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  credentials: Credentials | null,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  const headers: Record<string, string> = {}
  if (credentials?.kind === 'password') {
    url.searchParams.set('account', credentials.user)
    headers['authorization'] = basic(credentials)
  }
  return exchange({ method: 'GET', url, headers }, signal)
}

/**
 * With an identity token: by POST, and if that is not supported (404, 405 and so on) by GET, anonymously. If the token
 * itself is refused, there is no fallback.
 */
async function refreshed(
  { scopes }: TokenRequest,
  realm: URL,
  service: string | undefined,
  { token }: Extract<Credentials, { kind: 'identity-token' }>,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const posted = await postRefresh(realm, service, scopes, token, exchange, signal)
  if (posted.status < 400 || [401, 403, 429].includes(posted.status)) return posted
  const got = await getToken(realm, service, scopes, null, exchange, signal)
  if (got.status === 200) {
    posted.discard()
    return got
  }
  got.discard()
  return posted
}

function postRefresh(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  token: Secret,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: 'native',
    refresh_token: token.reveal(),
    scope: scopes.join(' '),
    ...(service === undefined ? {} : { service }),
  })
  const bytes = Buffer.from(form.toString())
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const body = { size: bytes.byteLength, content: onePiece(bytes) }
  return exchange({ method: 'POST', url: realm, headers, body }, signal)
}
