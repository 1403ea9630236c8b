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

/** What lets us in at one repository: the login, and the tokens that it buys. */
export interface Authorization {
  /**
   * The header that answers a challenge; undefined when there is no login that does.
   * @param root the registry itself
   * @param from another repository of it that is read too
   * @throws Failure of looking for the login or of buying a token
   */
  header(root: URL, challenge: Challenge, from: string | undefined): Promise<string | undefined>
  /** The login that challenges were answered with; null when none is there, undefined before it was looked for. */
  login(): Credentials | null | undefined
  /** The tokens are of no use any more. */
  forget(): void
}

/** A token that ends sooner than this is fetched anew before it is used. */
const tokenMarginMs = 10_000

/** Nothing is looked for or sent before the first challenge. */
export function openAuthorization(options: AuthorizationOptions): Authorization {
  const { origin, exchange, clock, signal } = options
  let login: Promise<Credentials | null> | undefined
  let used: Credentials | null | undefined
  const tokens = new Map<string, Promise<Token>>()

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
      // A proxy may call the repository otherwise than its users do, and says how.
      const asked = scopesOf(challenge).filter((each) => each !== own)
      if (asked.length === 0) return bearer((await buy(own)).value, name)
      const token = await buy(own, ...asked).catch((error: unknown) => {
        if (signal.aborted) throw error
        // Not every server of tokens takes several scopes, or knows our name of the repository.
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
