import type { Clock } from '../../../core/clock.ts'
import { Failure } from '../../../core/failure.ts'
import type { Credentials } from '../../credentials.ts'
import type { BlobOrigin } from '../../medium.ts'
import { type Challenge, scopesOf } from './challenge.ts'
import type { Exchange } from './exchange.ts'
import { basic, bearer, fetchToken, type Token } from './token.ts'

export interface AuthorizationOptions {
  readonly origin: BlobOrigin
  readonly actions: 'pull' | 'pull,push'
  readonly exchange: Exchange
  readonly findLogin: () => Promise<Credentials | null>
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Access to one repository: the login, and the tokens obtained with it. */
export interface Authorization {
  /**
   * The header that answers a challenge; undefined if no login can.
   * @param root the registry itself
   * @param from another of its repositories that is also read
   * @throws Failure of looking up the login or of fetching a token
   */
  header(root: URL, challenge: Challenge, from: string | undefined): Promise<string | undefined>
  /** The login that challenges were answered with; null if there is none, undefined before it was looked up. */
  login(): Credentials | null | undefined
  /** The tokens are no longer valid. */
  forget(): void
}

/** A token that expires sooner than this is renewed before use. */
const tokenMarginMs = 10_000

/** Nothing is looked up or sent before the first challenge. */
export function openAuthorization(options: AuthorizationOptions): Authorization {
  const { origin, exchange, clock, signal } = options
  let login: Promise<Credentials | null> | undefined
  let used: Credentials | null | undefined
  const tokens = new Map<string, Promise<Token>>()

  /** Concurrent requests for the same token share one fetch. */
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

  return {
    async header(root, challenge, from) {
      login ??= options.findLogin()
      const credentials = await login
      used = credentials
      if (challenge.scheme === 'basic') return credentials?.kind === 'password' ? basic(credentials) : undefined
      if (challenge.scheme !== 'bearer') throw unknownScheme(challenge, root)
      const name = origin.registry
      if (credentials?.kind === 'registry-token') return bearer(credentials.token, name)
      const own = `repository:${origin.repository}:${options.actions}`
      const buy = (...scopes: readonly string[]): Promise<Token> =>
        freshToken(scopes.join(' '), () =>
          fetchToken({ challenge, scopes, credentials, registry: root, name }, exchange, clock, signal),
        )
      if (from !== undefined) return bearer((await buy(own, `repository:${from}:pull`)).value, name)
      // A proxy may use another name for the repository than its users, and says so.
      const asked = scopesOf(challenge).filter((each) => each !== own)
      if (asked.length === 0) return bearer((await buy(own)).value, name)
      const token = await buy(own, ...asked).catch((error: unknown) => {
        if (signal.aborted) throw error
        // Not every token server accepts several scopes, or knows our name of the repository.
        return buy(...asked).catch(() => buy(own))
      })
      return bearer(token.value, name)
    },
    login: () => used,
    forget: () => tokens.clear(),
  }
}

function unknownScheme(challenge: Challenge, url: URL): Failure {
  return new Failure('unimplemented', `${url.host} requires authentication with "${challenge.scheme.slice(0, 40)}"`, {
    where: url.host,
    next: ['Basic and Bearer are supported.'],
  })
}
