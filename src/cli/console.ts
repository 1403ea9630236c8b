import { openBuildHistory } from '../client/build-history.ts'
import type { Addresses } from '../cluster/addresses.ts'
import type { BuildHistory } from '../core/build-history.ts'
import { Failure } from '../core/failure.ts'
import { type Channel, RpcError } from '../wire/rpc.ts'
import { toFailure } from '../wire/status.ts'
import type { CallTarget } from '../wire/tls/called.ts'
import { openReachedDirectly } from './reached.ts'

/**
 * Queries a cluster's console.
 * @throws Failure 'precondition' if there is no console, 'unavailable' if it does not answer, and what it answers
 */
export async function withHistory<T>(
  { console, openConsole, cache }: Addresses,
  ask: (history: BuildHistory, channel: Channel) => Promise<T>,
): Promise<T> {
  if (console) return askAt(console, console.url, ask)
  if (!openConsole)
    throw new Failure('precondition', 'this cluster has no console, so there is no history of builds', {
      next: ['Start one with `native deploy --console`: it records every build from then on.'],
    })
  let why: unknown
  const { url, close } = await openConsole((error) => {
    why = error
  })
  try {
    // It takes the tokens that the cache takes.
    return await askAt({ url: url.replace(/^http:/, 'grpc:') }, cache.url, ask)
  } catch (error) {
    throw why ?? error
  } finally {
    await close?.()
  }
}

/** Has it a console that can be queried? */
export function hasHistory({ console, openConsole }: Addresses): boolean {
  return console !== undefined || openConsole !== undefined
}

/** @param login the address that this user's token is kept for */
async function askAt<T>(
  target: CallTarget,
  login: string,
  ask: (history: BuildHistory, channel: Channel) => Promise<T>,
): Promise<T> {
  const channel = await openReachedDirectly(target, login)
  try {
    return await ask(openBuildHistory(channel), channel)
  } catch (error) {
    throw error instanceof RpcError ? toFailure(error, target.url) : error
  } finally {
    channel.close()
  }
}
