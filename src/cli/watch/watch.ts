import { setTimeout } from 'node:timers/promises'
import type { ClusterStatus } from '../../cluster/status.ts'
import type { Clock } from '../../core/clock.ts'
import { shownFailure } from '../failures.ts'
import { ratesBetween } from './rates.ts'
import type { Look } from './text.ts'

export interface WatchOptions {
  /** Looks the cluster up each time: it may go away, and come back with other addresses or elsewhere. */
  readonly ask: () => Promise<ClusterStatus>
  readonly intervalMs: number
  readonly clock: Clock
  readonly show: (look: Look) => void
  /** Ends it. */
  readonly signal: AbortSignal
}

/** Looks at a cluster repeatedly, until the signal aborts. A failed look is shown as such, and the next one follows. */
export async function watchCluster({ ask, intervalMs, clock, show, signal }: WatchOptions): Promise<void> {
  let before: { readonly at: number; readonly status: ClusterStatus } | undefined
  while (!signal.aborted) {
    const look = await lookOnce(ask, clock, before)
    if (signal.aborted) return
    show(look)
    before = look.status && { at: look.at, status: look.status }
    await pause(intervalMs, signal)
  }
}

async function lookOnce(
  ask: WatchOptions['ask'],
  clock: Clock,
  before: { readonly at: number; readonly status: ClusterStatus } | undefined,
): Promise<Look> {
  try {
    const status = await ask()
    const at = clock.now()
    const rates = before ? ratesBetween(before.status, status, at - before.at) : null
    return { at, status, error: undefined, rates }
  } catch (error) {
    return { at: clock.now(), status: undefined, error: shownFailure(error).message, rates: null }
  }
}

/** Waits that long, or until the signal aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    // A clock's own timer would let the process end meanwhile.
    await setTimeout(ms, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
