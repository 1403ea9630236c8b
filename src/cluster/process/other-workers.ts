import { parseHostPort } from '../../core/address.ts'
import { workersElsewhere } from '../shared/other-workers.ts'
import type { Authorize } from '../shared/readiness.ts'
import type { OtherWorker } from '../status.ts'
import { type Door, targetAt } from './door.ts'
import { type AskedServer, probeMsMax } from './server-status.ts'

/** The scheduler's workers that are not on this machine; null when it does not list them. */
export async function otherWorkers(
  asked: readonly AskedServer[],
  door: Door,
  authorize: Authorize,
): Promise<OtherWorker[] | null> {
  const scheduler = asked.find(({ status }) => status.role === 'scheduler' && status.state === 'ready')
  if (!scheduler?.status.address) return null
  const own = new Set(asked.map(({ status }) => status.name))
  return workersElsewhere(targetAt(door, parseHostPort(scheduler.status.address).port), own, authorize, probeMsMax)
}
