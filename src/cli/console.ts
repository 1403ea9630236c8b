import { openBuildHistory } from '../client/build-history.ts'
import type { Addresses } from '../cluster/driver.ts'
import type { BuildHistory } from '../core/build-history.ts'
import { Failure } from '../core/failure.ts'
import { type Channel, RpcError } from '../wire/rpc.ts'
import { toFailure } from '../wire/status.ts'
import { openReachedDirectly } from './reached.ts'

/**
 * Queries a cluster's console.
 * @throws Failure 'precondition' if there is no console, 'unavailable' if it does not answer, and what it answers
 */
export async function withHistory<T>(
  { console }: Addresses,
  ask: (history: BuildHistory, channel: Channel) => Promise<T>,
): Promise<T> {
  if (!console)
    throw new Failure('precondition', 'this cluster has no console, so there is no history of builds', {
      next: ['Start one with `native deploy --console`: it records every build from then on.'],
    })
  const channel = await openReachedDirectly(console)
  try {
    return await ask(openBuildHistory(channel), channel)
  } catch (error) {
    throw error instanceof RpcError ? toFailure(error, console.url) : error
  } finally {
    channel.close()
  }
}
