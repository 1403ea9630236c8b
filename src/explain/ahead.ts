import type { BuildRecord, LocalHistory } from '../core/build-history.ts'
import type { Clock } from '../core/clock.ts'
import type { FollowedBuilds } from './followed.ts'
import { freshMs, hasEnded, heardOf } from './heard.ts'
import { paceFactor } from './pace.ts'

/** What is explained ahead, and how. */
export interface AheadParts {
  readonly history: LocalHistory
  readonly clock: Clock
  readonly explanations: { of(build: BuildRecord): Promise<unknown>; isFinal(build: BuildRecord): boolean }
  /** Explains actions of a build that goes on. */
  follow(build: BuildRecord): Promise<void>
  readonly followed: Pick<FollowedBuilds, 'keepOnly'>
}

/** How often to look for builds that have ended, in milliseconds, and how many of the newest to look at. */
const lookMs = 1_000
const lookedAtMax = 20
/** Of these, those that may go on. */
const freshMax = 5
/** No history is at this revision. */
const unseen = -1

/**
 * Has builds explained before anybody asks, so that whoever clicks the link that Bazel prints does not wait: their
 * actions while they go on, the builds themselves once they have ended, and then those that had ended before this
 * process began. @returns a function that ends this
 */
export function startAhead({ history, clock, explanations, follow, followed }: AheadParts): () => void {
  /** Earlier builds that were explained here, each once as it is. */
  const tried = new Map<string, string>()
  let revision = unseen
  let nextEarlierAt = 0
  let isOver = false
  let stop = clock.after(lookMs, look)

  function look(): void {
    ahead()
      // Whoever asks for it gets the reason; until then there is nothing to do.
      .catch(() => undefined)
      .finally(() => {
        if (!isOver) stop = clock.after(lookMs, look)
      })
  }

  async function ahead(): Promise<void> {
    const now = clock.now()
    const seen = history.revision()
    if (seen === revision) return
    revision = seen
    const builds = await history.builds({ limit: lookedAtMax })
    const fresh = builds.slice(0, freshMax).filter((build) => now - build.lastSeen < freshMs)
    followed.keepOnly(fresh)
    const waiting = fresh.filter((build) => !explanations.isFinal(build))
    for (const build of waiting)
      if (!hasEnded(build, now)) await follow(build)
      else if (!isLearning()) await explanations.of(build)
    const isDone = waiting.every((build) => explanations.isFinal(build))
    // One that becomes quiet, or is fully read, only later is looked at once more.
    if (!isDone || (await explainEarlier(builds))) revision = unseen
  }

  /** Explains one at most. @returns whether there may be more */
  async function explainEarlier(builds: readonly BuildRecord[]): Promise<boolean> {
    const now = clock.now()
    const next = builds.find(
      (build) => hasEnded(build, now) && tried.get(build.id) !== heardOf(build) && !explanations.isFinal(build),
    )
    if (!next) return false
    if (now < nextEarlierAt || isLearning()) return true
    for (const id of tried.keys()) if (!builds.some((build) => build.id === id)) tried.delete(id)
    tried.set(next.id, heardOf(next))
    await explanations.of(next)
    nextEarlierAt = clock.now() + paceFactor * (clock.now() - now)
    return true
  }

  function isLearning(): boolean {
    return history.learningSince() !== undefined
  }

  return () => {
    isOver = true
    stop()
  }
}
