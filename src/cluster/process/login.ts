import { removeLoginsOf } from '../../access/logins.ts'
import type { Deployment } from '../../config/deployment.ts'
import { hostPortText } from '../../core/address.ts'
import { Failure } from '../../core/failure.ts'
import type { TokensPlace } from '../driver.ts'
import { ensureOwnersLogin } from '../shared/owners-login.ts'
import { loopback, type Ports } from '../shared/ports.ts'
import type { ProcessContext } from './context.ts'
import { addressesAt, doorOf } from './door.ts'
import { needsTokens } from './private.ts'
import { readMemory } from './state.ts'

/**
 * Creates the tokens file of a cluster whose clients need tokens, and a token for this user, stored where all commands
 * find it; removes the latter where none is needed any more.
 */
export async function ensureLogin(context: ProcessContext, deployment: Deployment, ports: Ports): Promise<void> {
  const { paths, user, clock } = context
  if ((deployment.access ?? 'none') === 'none') return forgetLogin(context)
  // The addresses that this user's commands call, and that clients are given.
  const { cache, scheduler } = await addressesAt(deployment, paths, ports)
  const { dial } = doorOf(deployment, paths)
  const dialled = [ports['cas'], ports['scheduler']].map((port = 0) => hostPortText({ host: dial, port }))
  const console = ports['console'] === undefined ? [] : [`${loopback}:${ports['console']}`]
  const addresses = new Set([...dialled, cache.address, scheduler.address, ...console])
  const { tokens, state } = paths
  await ensureOwnersLogin({ user, clock, tokens, state }, [...addresses])
}

export function forgetLogin({ paths, user, clock }: ProcessContext): Promise<void> {
  return removeLoginsOf(user, paths.state, clock)
}

/**
 * The file of this cluster's tokens.
 * @throws Failure 'not-found' without a cluster, 'precondition' where clients need no tokens
 */
export async function tokensOf(context: ProcessContext): Promise<TokensPlace> {
  const { paths } = context
  if (!(await readMemory(paths)))
    throw new Failure('not-found', `there is no cluster "${paths.name}"`, {
      next: ['Run `native deploy --access team` first.'],
    })
  if (!(await needsTokens(context)))
    throw new Failure('precondition', `clients of cluster "${paths.name}" need no token`, {
      next: ['Run `native deploy --access team` to require tokens.'],
    })
  // The servers watch the file themselves.
  return { file: paths.tokens, changed: async () => undefined }
}
