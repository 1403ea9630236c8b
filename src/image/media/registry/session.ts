import type { Clock } from '../../../core/clock.ts'
import { errnoOf, Failure } from '../../../core/failure.ts'
import type { Credentials } from '../../credentials.ts'
import { refusal } from './answers.ts'
import { type AuthorizationOptions, openAuthorization } from './authorization.ts'
import { answerable, type Challenge, parseChallenges } from './challenge.ts'
import type { HttpAnswer, HttpRequest } from './exchange.ts'
import { isNoTls } from './network-failure.ts'
import { Retryable, retryAfterMs } from './retry.ts'

/** A request to a registry; the body can be opened again, since it may have to be sent twice. */
export interface RegistryRequest {
  readonly method: HttpRequest['method']
  /** Absolute, or relative to the registry. */
  readonly url: string | URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: { readonly size: number; open(): Promise<AsyncIterable<Uint8Array>> }
  /** The operation, to complete "cannot ...". */
  readonly doing: string
  /** Statuses that the caller handles; any other is an error. */
  readonly expected: readonly number[] | ((status: number) => boolean)
  /** Another repository of the registry that is also read (a mount). */
  readonly from?: string
  /** A redirect to another host is returned rather than followed. */
  readonly staysOnHost?: boolean
  /** It transfers a blob, so there is no overall time limit. */
  readonly isLarge?: boolean
}

/** Authorized requests to one repository. */
export interface Session {
  readonly registry: string
  readonly repository: string
  /**
   * Sends it, repeatedly if authentication or redirects need that; retrying is up to the caller.
   * @throws Retryable for 408, 429 and 5xx; Failure otherwise
   */
  send(request: RegistryRequest): Promise<HttpAnswer>
}

export interface SessionOptions extends AuthorizationOptions {
  /** When plain HTTP is tried: never, if TLS is not spoken, or before TLS. */
  readonly plain: 'never' | 'second' | 'first'
  /** The flag that allows unencrypted connections, for errors. */
  readonly tlsFlag?: string | undefined
}

const redirectsMax = 5
const redirects = new Set([301, 302, 303, 307, 308])
const userAgent = 'native'

/** The Hub's API is on another host than its name. */
function apiHost(registry: string): string {
  return registry === 'docker.io' ? 'registry-1.docker.io' : registry
}

/** Opens a session; nothing is sent before the first request. */
export function openSession(options: SessionOptions): Session {
  const { origin, clock, signal } = options
  const authorization = openAuthorization(options)
  let base: Promise<Base> | undefined
  let refused: Challenge | undefined

  /** A failure is not cached: the next request asks again. */
  const findOnce = (): Promise<Base> => {
    if (base) return base
    const found = findBase(options)
    found.catch(() => {
      base = undefined
    })
    base = found
    return found
  }

  const once = async (request: RegistryRequest, url: URL, { url: root, challenge }: Base): Promise<HttpAnswer> => {
    const asked = refused ?? challenge
    // Credentials go to the registry itself, never to a host that it redirects to.
    const allowed = asked && url.origin === root.origin && (await authorization.header(root, asked, request.from))
    const headers = { 'user-agent': userAgent, ...request.headers, ...(allowed ? { authorization: allowed } : {}) }
    const body = request.body && { size: request.body.size, content: await request.body.open() }
    const isLarge = request.isLarge ?? false
    return options.exchange({ method: request.method, url, headers, isLarge, ...(body ? { body } : {}) }, signal)
  }

  const send = async (request: RegistryRequest): Promise<HttpAnswer> => {
    const found = await findOnce()
    let url = typeof request.url === 'string' ? new URL(request.url, found.url) : request.url
    assertNoDowngrade(found.url, url)
    let isAgain = false
    for (let hops = 0; ; ) {
      const answer = await once(request, url, found)
      if (answer.status === 401 && url.origin === found.url.origin && !isAgain && !isExpected(request, 401)) {
        // Expired meanwhile, or another scope is needed: the present tokens do not help.
        refused = usable(answer) ?? refused
        authorization.forget()
        answer.discard()
        isAgain = true
        continue
      }
      const location = answer.header('location')
      if (request.staysOnHost && redirects.has(answer.status) && !isNear(url, location)) return answer
      if (!redirects.has(answer.status) || location === undefined || isExpected(request, answer.status))
        return judged(answer, request, origin.registry, clock, authorization.login())
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
  login: Credentials | null | undefined,
): Promise<HttpAnswer> {
  if (isExpected(request, answer.status)) return answer
  const failure = await refusal(answer, request.doing, registry, login)
  if (failure.kind !== 'unavailable') throw failure
  throw new Retryable(failure, retryAfterMs(answer.header('retry-after'), clock.now()))
}

function isExpected({ expected }: RegistryRequest, status: number): boolean {
  return typeof expected === 'function' ? expected(status) : expected.includes(status)
}

interface Base {
  readonly url: URL
  readonly challenge: Challenge | undefined
  readonly status: number
}

/** Requests /v2/ once: does the registry speak TLS, and how does it authenticate? */
async function findBase(options: SessionOptions): Promise<Base> {
  const { origin } = options
  const plain = options.plain === 'first' ? await plainBase(options) : undefined
  if (plain && isRegistry(plain)) return plain
  try {
    return await ping('https', options)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    // A TLS server complains about plain HTTP too: then its certificate is the problem.
    if (plain && error.kind !== 'denied') throw noRegistry(origin.registry, plain.status)
    if (!isNoTls(error.cause)) throw error
    if (options.plain !== 'never') return ping('http', options)
    throw new Failure('denied', `${origin.registry} does not speak TLS`, {
      where: origin.registry,
      next: options.tlsFlag === undefined ? [] : [`If that is intended, use ${options.tlsFlag}.`],
      cause: error,
    })
  }
}

/** A TLS server answers plain HTTP with something else, or hangs up. */
function isRegistry({ status }: Base): boolean {
  return status === 200 || status === 401
}

function noRegistry(registry: string, status: number): Failure {
  return new Failure('unavailable', `${registry} is not a registry: it answers /v2/ with HTTP ${status}, without TLS`, {
    where: registry,
  })
}

/** The response to plain HTTP, if any. */
async function plainBase(options: SessionOptions): Promise<Base | undefined> {
  try {
    return await ping('http', options)
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
  return answerable(parseChallenges(answer.header('www-authenticate')))
}

function isNear(from: URL, location: string | undefined): boolean {
  return location !== undefined && URL.canParse(location, from) && new URL(location, from).origin === from.origin
}

function redirected(from: URL, location: string, hops: number): URL {
  const url = URL.canParse(location, from) ? new URL(location, from) : undefined
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new Failure('invalid', `${from.host} redirects to a malformed address`, { where: from.host })
  if (hops > redirectsMax)
    throw new Failure('invalid', `${from.host} redirects more than ${redirectsMax} times`, { where: from.host })
  assertNoDowngrade(from, url)
  return url
}

function assertNoDowngrade(from: URL, to: URL): void {
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw new Failure('denied', `${from.host} redirects to an unencrypted address, ${to.host}`, {
      where: from.host,
      next: ['A registry behind a TLS proxy needs X-Forwarded-Proto, or relative URLs (http.relativeurls: true).'],
    })
}
