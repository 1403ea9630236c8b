import type { Addresses } from '../../cluster/addresses.ts'
import { systemClock } from '../../core/clock.ts'
import { withHistory } from '../console.ts'
import { openReached } from '../reached.ts'
import { checkRepeatable } from './check.ts'
import type { RepeatReport } from './outcome.ts'
import { planActions } from './plan.ts'
import { showRepeat } from './progress.ts'

const endedWell = ['hit', 'executed', 'local'] as const

/** The arguments of `native check-repeatable`. */
export interface RepeatRequest {
  /** The beginning of a build's id; the last build if absent. */
  readonly build?: string
  readonly limit: number
  readonly jobs: number
  /** May progress be redrawn in place? */
  readonly live: boolean
  readonly signal: AbortSignal
}

/**
 * Runs a build's actions again on a cluster, and compares.
 * @throws Failure for an unknown build, or a cluster without a console; RpcError of a call
 */
export async function repeatBuild(addresses: Addresses, request: RepeatRequest): Promise<RepeatReport> {
  const { limit, jobs, live, signal } = request
  const planned = await withHistory(addresses, (history) => planActions(history, request.build, limit, endedWell))
  const cache = await openReached(addresses.cache)
  const scheduler = await openReached(addresses.scheduler)
  const progress = showRepeat(process.stderr, systemClock, live, planned.actions.length)
  try {
    return await checkRepeatable(cache, scheduler, planned, { jobs, signal, onDone: progress.update })
  } finally {
    progress.end()
    cache.close()
    scheduler.close()
  }
}
