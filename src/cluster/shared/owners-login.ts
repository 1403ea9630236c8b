import { authorizationFor, keepLogin, tokenOfCluster } from '../../access/logins.ts'
import { createToken, ensureTokens, hasToken, readTokens, revokeToken } from '../../access/tokens-file.ts'
import type { Clock } from '../../core/clock.ts'
import type { UserContext } from '../../host/user-folders.ts'
import type { Authorize } from './readiness.ts'

/** The token of whoever deployed the cluster: commands of this user work as before. */
const ownersName = 'owner'

/** How servers of this cluster are asked by commands of this user. */
export function authorizeAs(user: UserContext): Authorize {
  return (url) => authorizationFor(user, url)
}

/** Whose cluster it is, and where. */
export interface OwnersLogin {
  readonly user: UserContext
  readonly clock: Clock
  /** The file of the cluster's tokens. */
  readonly tokens: string
  /** Its state folder, which the login goes with. */
  readonly state: string
}

/**
 * Makes the tokens file of a cluster, and a token for this user, kept where all commands find it.
 * @param addresses of its servers, `host:port`
 */
export async function ensureOwnersLogin(owner: OwnersLogin, addresses: readonly string[]): Promise<void> {
  const { user, clock, tokens, state } = owner
  await ensureTokens(tokens, clock)
  const kept = await tokenOfCluster(user, state)
  const token = kept !== undefined && (await hasToken(tokens, kept)) ? kept : await newOwner(owner)
  await keepLogin(user, addresses, token, clock, state)
}

async function newOwner({ tokens, clock }: OwnersLogin): Promise<string> {
  const entries = (await readTokens(tokens)) ?? []
  if (entries.some(({ name }) => name === ownersName)) await revokeToken(tokens, ownersName, clock)
  return (await createToken(tokens, { name: ownersName, role: 'admin', expiresMs: null }, clock)).token
}
