import { connectedWorkers } from '../../client/fleet.ts'
import { Failure } from '../../core/failure.ts'
import { RpcError } from '../../wire/rpc.ts'
import type { CallTarget } from '../../wire/tls/called.ts'
import type { OtherWorker } from '../driver.ts'
import { type Authorize, openAs } from './readiness.ts'

/**
 * The workers that a scheduler has and its cluster has not; null where it does not tell.
 * @param own the names of those that the cluster has
 */
export async function workersElsewhere(
  scheduler: CallTarget,
  own: ReadonlySet<string>,
  authorize: Authorize,
  msMax: number,
): Promise<OtherWorker[] | null> {
  const channel = await openAs(scheduler, authorize)
  try {
    const all = await connectedWorkers(channel, msMax)
    return all
      .filter(({ name }) => !own.has(name))
      .map(({ name, slots, busy, leaving, version }) => ({ name, slots, busy, leaving, version }))
  } catch (error) {
    if (error instanceof RpcError || error instanceof Failure) return null
    throw error
  } finally {
    channel.close()
  }
}
