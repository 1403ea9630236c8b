import type { BuildRecord, LocalHistory } from '../core/build-history.ts'
import type { Clock } from '../core/clock.ts'
import { explainSettled } from './build.ts'
import { freshMs } from './heard.ts'
import { paceFactor } from './pace.ts'
import { createSettled, type Settled } from './settled.ts'

/** Builds that go on, whose actions are explained as they end. */
export interface FollowedBuilds {
  /** What was found of a build so far; undefined if it ended long ago. */
  settled(build: BuildRecord): Settled | undefined
  /** Explains the actions of which all has been heard, unless that was done a moment ago. */
  explain(build: BuildRecord, signal: AbortSignal): Promise<void>
  /** Forgets all others. */
  keepOnly(builds: readonly BuildRecord[]): void
}

/** The last that were asked for, or that go on. */
const followedMax = 2

export function createFollowedBuilds(history: LocalHistory, clock: Clock): FollowedBuilds {
  const followed = new Map<string, Followed>()

  function of(build: BuildRecord): Followed | undefined {
    const known = followed.get(build.id)
    if (known || clock.now() - build.lastSeen >= freshMs) return known
    const begins: Followed = { settled: createSettled(history, clock), nextAt: 0 }
    followed.set(build.id, begins)
    const [oldest] = followed.keys()
    if (followed.size > followedMax && oldest !== undefined) followed.delete(oldest)
    return begins
  }

  return {
    settled: (build) => of(build)?.settled,
    async explain(build, signal) {
      const state = of(build)
      if (!state || clock.now() < state.nextAt) return
      const began = clock.now()
      await explainSettled(history, build, state.settled, signal)
      state.nextAt = clock.now() + paceFactor * (clock.now() - began)
    },
    keepOnly(builds) {
      for (const id of followed.keys()) if (!builds.some((build) => build.id === id)) followed.delete(id)
    },
  }
}

interface Followed {
  readonly settled: Settled
  /** When it is looked at again. */
  nextAt: number
}
