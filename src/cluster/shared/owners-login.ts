import { authorizationFor, keepLogin, tokenOfCluster } from '../../access/logins.ts'
import { createToken, ensureTokens, hasToken, readTokens, revokeToken } from '../../access/tokens-file.ts'
import type { Clock } from '../../core/clock.ts'
import type { UserContext } from '../../host/user-folders.ts'
import type { Authorize } from './readiness.ts'

/** The token of the user who deployed the cluster, so that this user's commands keep working. */
const ownersName = 'owner'

/** How this user's commands authenticate to servers of this cluster. */
export function authorizeAs(user: UserContext): Authorize {
  return (url) => authorizationFor(user, url)
}

/** The cluster's files that a login needs. */
export interface OwnersLogin {
  readonly user: UserContext
  readonly clock: Clock
  /** The file of the cluster's tokens. */
  readonly tokens: string
  /** Its state folder, whose removal ends the login. */
  readonly state: string
}

/**
 * Creates the tokens file of a cluster, and a token for this user, stored where all commands find it.
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
