import { connectedWorkers } from '../../client/fleet.ts'
import { Failure } from '../../core/failure.ts'
import { RpcError } from '../../wire/rpc.ts'
import type { CallTarget } from '../../wire/tls/called.ts'
import type { OtherWorker } from '../status.ts'
import { type Authorize, openAs } from './readiness.ts'

/**
 * A scheduler's workers that are not its cluster's; null when it does not list them.
 * @param own the names of the cluster's workers
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
