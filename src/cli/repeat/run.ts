import type { Addresses } from '../../cluster/driver.ts'
import { systemClock } from '../../core/clock.ts'
import { withHistory } from '../console.ts'
import { openReached } from '../reached.ts'
import { checkRepeatable } from './check.ts'
import type { RepeatReport } from './outcome.ts'
import { planActions } from './plan.ts'
import { showRepeat } from './progress.ts'

const endedWell = ['hit', 'executed', 'local'] as const

/** What `native check-repeatable` was asked for. */
export interface RepeatRequest {
  /** The beginning of a build's id; the last build when absent. */
  readonly build?: string
  readonly limit: number
  readonly jobs: number
  /** May progress be drawn over itself? */
  readonly live: boolean
  readonly signal: AbortSignal
}

/**
 * Runs the actions of a build again on a cluster, and compares.
 * @throws Failure for a build that is not known, or a cluster without a console; RpcError of a call
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
