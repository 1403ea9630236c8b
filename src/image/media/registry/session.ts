import type { Clock } from '../../../core/clock.ts'
import { errnoOf, Failure } from '../../../core/failure.ts'
import type { Credentials } from '../../credentials.ts'
import type { BlobOrigin } from '../../medium.ts'
import { refusal } from './answers.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { type Exchange, type HttpAnswer, type HttpRequest, isNoTls } from './http.ts'
import { Retryable, retryAfterMs } from './retry.ts'
import { basic, fetchToken, type Token } from './token.ts'

/** A request to a registry; the body can be opened again, since it may have to be sent twice. */
export interface RegistryRequest {
  readonly method: HttpRequest['method']
  /** Absolute, or relative to the registry. */
  readonly url: string | URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: { readonly size: number; open(): Promise<AsyncIterable<Uint8Array>> }
  /** What it does, as the end of "cannot ...". */
  readonly doing: string
  /** Answers that the caller understands; any other is an error. */
  readonly expected: readonly number[]
  /** A repository of the same registry that is read too (a mount). */
  readonly from?: string
}

/** Authorized requests to one repository. */
export interface Session {
  readonly registry: string
  readonly repository: string
  /**
   * Sends it, as often as authentication and redirects need; retrying is the caller's.
   * @throws Retryable for 408, 429 and 5xx; Failure otherwise
   */
  send(request: RegistryRequest): Promise<HttpAnswer>
}

export interface SessionOptions {
  readonly origin: BlobOrigin
  readonly actions: 'pull' | 'pull,push'
  readonly exchange: Exchange
  /** When plain HTTP is tried: never, where TLS is not spoken, or before TLS. */
  readonly plain: 'never' | 'second' | 'first'
  readonly findLogin: () => Promise<Credentials | null>
  readonly clock: Clock
  readonly signal: AbortSignal
}

const redirectsMax = 5
const redirects = new Set([301, 302, 303, 307, 308])
/** A token that ends sooner than this is fetched anew before it is used. */
const tokenMarginMs = 10_000
const userAgent = 'native'

/** The Hub's API lives on another host than its name. */
export function apiHost(registry: string): string {
  return registry === 'docker.io' ? 'registry-1.docker.io' : registry
}

/** Opens a session; nothing is sent before the first request. */
export function openSession(options: SessionOptions): Session {
  const { origin, clock, signal } = options
  let base: Promise<Base> | undefined
  let login: Promise<Credentials | null> | undefined
  let refused: Challenge | undefined
  const tokens = new Map<string, Promise<Token>>()

  /** A failure is not kept: the next request asks again. */
  const findOnce = (): Promise<Base> => {
    if (base) return base
    const found = findBase(options)
    found.catch(() => {
      base = undefined
    })
    base = found
    return found
  }

  const authorization = async (
    url: URL,
    challenge: Challenge | undefined,
    from: string | undefined,
  ): Promise<string | undefined> => {
    if (!challenge) return undefined
    login ??= options.findLogin()
    const credentials = await login
    if (challenge.scheme === 'basic') return credentials?.kind === 'password' ? basic(credentials) : undefined
    if (challenge.scheme !== 'bearer') throw unknownScheme(challenge, url)
    if (credentials?.kind === 'registry-token') return `Bearer ${credentials.token.reveal()}`
    const scopes = [`repository:${origin.repository}:${options.actions}`, ...(from ? [`repository:${from}:pull`] : [])]
    const key = scopes.join(' ')
    const token = await freshToken(key, () =>
      fetchToken(
        { challenge, scopes, credentials, registry: url, name: origin.registry },
        options.exchange,
        clock,
        signal,
      ),
    )
    return `Bearer ${token.value.reveal()}`
  }

  /** Lanes that need the same token at the same time share one request for it. */
  const freshToken = async (key: string, fetch: () => Promise<Token>): Promise<Token> => {
    const known = tokens.get(key)
    if (known && (await known).expires - tokenMarginMs >= clock.now()) return known
    const newer = tokens.get(key)
    if (newer && newer !== known) return newer
    const fetched = fetch()
    tokens.set(key, fetched)
    fetched.catch(() => tokens.delete(key))
    return fetched
  }

  const once = async (
    request: RegistryRequest,
    url: URL,
    root: URL,
    challenge: Challenge | undefined,
  ): Promise<HttpAnswer> => {
    // Credentials go to the registry itself and to nobody that it sends us to.
    const allowed = url.origin === root.origin ? await authorization(root, challenge, request.from) : undefined
    const headers = { 'user-agent': userAgent, ...request.headers, ...(allowed ? { authorization: allowed } : {}) }
    const body = request.body && { size: request.body.size, content: await request.body.open() }
    return options.exchange({ method: request.method, url, headers, ...(body ? { body } : {}) }, signal)
  }

  const send = async (request: RegistryRequest): Promise<HttpAnswer> => {
    const { url: root, challenge } = await findOnce()
    let url = typeof request.url === 'string' ? new URL(request.url, root) : request.url
    assertNoDowngrade(root, url)
    let isAgain = false
    for (let hops = 0; ; ) {
      const answer = await once(request, url, root, refused ?? challenge)
      if (answer.status === 401 && url.origin === root.origin && !isAgain && !request.expected.includes(401)) {
        // Expired meanwhile, or another scope is wanted: the tokens that there are do not help.
        refused = usable(answer) ?? refused
        tokens.clear()
        answer.discard()
        isAgain = true
        continue
      }
      const location = answer.header('location')
      if (!redirects.has(answer.status) || location === undefined || request.expected.includes(answer.status))
        return judged(answer, request, origin.registry, clock)
      answer.discard()
      hops += 1
      url = redirected(url, location, hops)
    }
  }
  return { registry: origin.registry, repository: origin.repository, send }
}

async function judged(
  answer: HttpAnswer,
  request: RegistryRequest,
  registry: string,
  clock: Clock,
): Promise<HttpAnswer> {
  if (request.expected.includes(answer.status)) return answer
  const failure = await refusal(answer, request.doing, registry)
  if (failure.kind !== 'unavailable') throw failure
  throw new Retryable(failure, retryAfterMs(answer.header('retry-after'), clock.now()))
}

interface Base {
  readonly url: URL
  readonly challenge: Challenge | undefined
  readonly status: number
}

/** Asks /v2/ once: does it speak TLS, and how does it want to be authenticated to? */
async function findBase(options: SessionOptions): Promise<Base> {
  const { origin } = options
  if (options.plain === 'first') {
    const plain = await plainBase(options)
    if (plain) return plain
  }
  try {
    return await ping('https', options)
  } catch (error) {
    if (!(error instanceof Failure) || !isNoTls(error.cause)) throw error
    if (options.plain !== 'never') return ping('http', options)
    throw new Failure('denied', `${origin.registry} does not speak TLS`, {
      where: origin.registry,
      next: ['If that is meant, use --src-tls-verify=false or --dest-tls-verify=false.'],
      cause: error,
    })
  }
}

/** Plain HTTP, if that is what is spoken; a server that wants TLS answers something else, or hangs up. */
async function plainBase(options: SessionOptions): Promise<Base | undefined> {
  try {
    const base = await ping('http', options)
    return base.status === 200 || base.status === 401 ? base : undefined
  } catch (error) {
    if (options.signal.aborted) throw error
    if (error instanceof Retryable) return undefined
    if (error instanceof Failure && errnoOf(error.cause) !== 'ECONNREFUSED') return undefined
    throw error
  }
}

async function ping(scheme: 'http' | 'https', { exchange, signal, origin, clock }: SessionOptions): Promise<Base> {
  const url = new URL(`${scheme}://${apiHost(origin.registry)}/`)
  const headers = { 'user-agent': userAgent }
  const answer = await exchange({ method: 'GET', url: new URL('/v2/', url), headers }, signal)
  const challenge = answer.status === 401 ? usable(answer) : undefined
  answer.discard()
  if (answer.status < 500) return { url, challenge, status: answer.status }
  const failure = await refusal(answer, `reach the registry ${origin.registry}`, origin.registry)
  throw new Retryable(failure, retryAfterMs(answer.header('retry-after'), clock.now()))
}

function usable(answer: HttpAnswer): Challenge | undefined {
  const challenges = parseChallenges(answer.header('www-authenticate'))
  return challenges.find((each) => each.scheme === 'bearer') ?? challenges[0]
}

function redirected(from: URL, location: string, hops: number): URL {
  const url = URL.canParse(location, from) ? new URL(location, from) : undefined
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new Failure('invalid', `${from.host} redirects to no address`, { where: from.host })
  if (hops > redirectsMax)
    throw new Failure('invalid', `${from.host} redirects more than ${redirectsMax} times`, { where: from.host })
  assertNoDowngrade(from, url)
  return url
}

function assertNoDowngrade(from: URL, to: URL): void {
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw new Failure('denied', `${from.host} sends on to an unencrypted address, ${to.host}`, {
      where: from.host,
      next: ['A registry behind a TLS proxy needs X-Forwarded-Proto, or relative URLs (http.relativeurls: true).'],
    })
}

function unknownScheme(challenge: Challenge, url: URL): Failure {
  return new Failure(
    'unimplemented',
    `${url.host} wants to be authenticated to with "${challenge.scheme.slice(0, 40)}"`,
    {
      where: url.host,
      next: ['Basic and Bearer are known.'],
    },
  )
}
