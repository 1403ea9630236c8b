import { authorizationFor } from '../access/logins.ts'
import type { Addresses } from '../cluster/addresses.ts'
import type { Channel } from '../wire/rpc.ts'
import type { CallTarget, openCalled } from '../wire/tls/called.ts'
import { userContext } from './user.ts'

/** A channel to a server, with TLS if it uses that, and with this user's token for it, if any. */
export async function openReached(target: CallTarget): Promise<Channel> {
  const { openChannel } = await import('../wire/channel.ts')
  return authorized(target, openChannel)
}

/**
 * The same with our own client, which fails at once and says why nobody answers.
 * @param login the address that the token is kept for, if that is another
 */
export async function openReachedDirectly(target: CallTarget, login?: string): Promise<Channel> {
  const { openDirectChannel } = await import('../wire/direct.ts')
  return authorized(target, openDirectChannel, login)
}

/** Channels to a cluster's servers, open while something uses them. */
export async function withServers<T>(
  addresses: Pick<Addresses, 'cache' | 'scheduler'>,
  use: (cache: Channel, scheduler: Channel) => Promise<T>,
): Promise<T> {
  const cache = await openReached(addresses.cache)
  const scheduler = await openReached(addresses.scheduler)
  try {
    return await use(cache, scheduler)
  } finally {
    cache.close()
    scheduler.close()
  }
}

async function authorized(
  target: CallTarget,
  open: Parameters<typeof openCalled>[1],
  login = target.url,
): Promise<Channel> {
  const { openCalled } = await import('../wire/tls/called.ts')
  const authorization = await authorizationFor(userContext(), login)
  return openCalled(target, open, () => authorization)
}
