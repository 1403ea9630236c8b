import type { BuildRecord, LocalHistory } from '../core/build-history.ts'
import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { createSemaphore } from '../core/semaphore.ts'
import { type Explanation, explainBuild, explainSettled } from './build.ts'
import { createSettled, lateMs, type Settled } from './settled.ts'

/** Explanations of whole builds, the costly part of a build's page and of `native explain`. */
export interface Explanations {
  /** @throws Failure 'cancelled' when all callers waiting for it have left, 'unavailable' when the console stops */
  of(build: BuildRecord, asked?: Asked): Promise<Explanation>
  /** Is there an explanation that stays valid unless more is heard of the build? */
  isFinal(build: BuildRecord): boolean
  /** What was found of a build while it goes on; undefined if it ended long ago. */
  settled(build: BuildRecord): Settled | undefined
  close(): void
}

export interface Asked {
  /** Compares with this build only, by its full id. */
  readonly against?: string | undefined
  /** Aborts when the caller has left; if absent, the explanation is always completed. */
  readonly signal?: AbortSignal
}

/** A build that has ended stays as it is. */
const keptMax = 20
/** Builds explained at once: each reads for seconds, and caches what it has read. */
const atOnceMax = 2
/**
 * How often to look for builds that have ended, how many of the newest to look at, and when one counts as ended, in
 * milliseconds.
 */
const lookMs = 1_000
const lookedAtMax = 5
const quietMs = lateMs
/** Builds whose actions are explained as they end: the last that were asked for, or that go on. */
const followedMax = 2
/** No history is at this revision. */
const unseen = -1
/** How long an explanation is good while the history goes on: at most a twentieth of the time is spent on it. */
const goodMsMin = 2_000
const goodFactor = 20
/** Builds that ended longer ago are explained on demand. */
export const freshMs = 60_000

/** @param tookMs to make it, in milliseconds */
export function goodMs(tookMs: number): number {
  return Math.max(goodMsMin, goodFactor * tookMs)
}

/**
 * Explains a build once, until more is heard of it; and one that has just ended before anybody asks, so that whoever
 * clicks the link that Bazel prints does not wait. While actions are still to be read, the explanation may be wrong,
 * since these have no outputs and no predecessors yet: it is only good for a while.
 */
export function createExplanations(history: LocalHistory, clock: Clock): Explanations {
  const kept = new Map<string, Kept>()
  const followed = new Map<string, Followed>()
  const semaphore = createSemaphore(atOnceMax)
  const ending = new AbortController()
  let revision = unseen
  let stop = clock.after(lookMs, look)

  function of(build: BuildRecord, { against, signal }: Asked = {}): Promise<Explanation> {
    const slot = slotOf(build, against)
    const known = kept.get(slot)
    if (known && isGood(known, build)) return awaited(known, signal)
    const made = begun(build, against)
    kept.delete(slot)
    kept.set(slot, made)
    made.explanation.catch(() => {
      if (kept.get(slot) === made) kept.delete(slot)
    })
    for (const oldest of kept.keys()) {
      if (kept.size <= keptMax) break
      kept.delete(oldest)
    }
    return awaited(made, signal)
  }

  function isLearning(): boolean {
    return history.learningSince() !== undefined
  }

  function followedAs(build: BuildRecord): Followed | undefined {
    const known = followed.get(build.id)
    if (known || clock.now() - build.lastSeen >= freshMs) return known
    const begins: Followed = { settled: createSettled(history, clock), nextAt: 0 }
    followed.set(build.id, begins)
    const [oldest] = followed.keys()
    if (followed.size > followedMax && oldest !== undefined) followed.delete(oldest)
    return begins
  }

  function settled(build: BuildRecord): Settled | undefined {
    return followedAs(build)?.settled
  }

  function begun(build: BuildRecord, against: string | undefined): Kept {
    const leaving = new AbortController()
    const signal = AbortSignal.any([leaving.signal, ending.signal])
    const state: Kept['state'] = { isFinal: false }
    const explanation = semaphore(async () => {
      signal.throwIfAborted()
      const began = { at: clock.now(), revision: history.revision(), learning: isLearning() }
      const comparing = against === undefined ? { settled: settled(build) } : { against }
      const made = await explainBuild(history, build, { signal, ...comparing })
      state.made = { ...began, tookMs: clock.now() - began.at }
      state.isFinal = !began.learning && !isLearning()
      return made
    })
    return { key: keyOf(build), explanation, leaving, readers: 0, state }
  }

  function isGood({ key, state: { made, isFinal }, leaving }: Kept, build: BuildRecord): boolean {
    if (leaving.signal.aborted) return false
    const goesOn = !hasEnded(build, clock.now())
    const isSame = key === keyOf(build)
    if (!isSame && !goesOn) return false
    if (!made || (isSame && isFinal)) return true
    // The first explanation with complete data is not delayed.
    if (!goesOn && made.learning && !isLearning()) return false
    // Open pages ask at every action.
    return clock.now() - made.at < goodMs(made.tookMs) || made.revision === history.revision()
  }

  function isFinal(build: BuildRecord): boolean {
    const known = kept.get(slotOf(build))
    return known?.state.isFinal === true && known.key === keyOf(build)
  }

  function look(): void {
    ahead()
      // Whoever asks for it gets the reason; until then there is nothing to do.
      .catch(() => undefined)
      .finally(() => {
        if (!ending.signal.aborted) stop = clock.after(lookMs, look)
      })
  }

  async function ahead(): Promise<void> {
    const now = clock.now()
    const seen = history.revision()
    if (seen === revision) return
    revision = seen
    const builds = await history.builds({ limit: lookedAtMax })
    const fresh = builds.filter((build) => now - build.lastSeen < freshMs)
    for (const id of followed.keys()) if (!fresh.some((build) => build.id === id)) followed.delete(id)
    const waiting = fresh.filter((build) => !isFinal(build))
    for (const build of waiting)
      if (!hasEnded(build, now)) await follow(build)
      else if (!isLearning()) await of(build)
    // One that becomes quiet, or is fully read, only later is looked at once more.
    if (!waiting.every(isFinal)) revision = unseen
  }

  async function follow(build: BuildRecord): Promise<void> {
    const state = followedAs(build)
    if (!state || clock.now() < state.nextAt) return
    await semaphore(async () => {
      const began = clock.now()
      await explainSettled(history, build, state.settled, ending.signal)
      state.nextAt = clock.now() + goodFactor * (clock.now() - began)
    })
  }

  return {
    of,
    isFinal,
    settled,
    close() {
      ending.abort(new Failure('unavailable', 'this console is stopping'))
      stop()
    },
  }
}

/** A build that goes on. */
interface Followed {
  readonly settled: Settled
  /** When it is looked at again. */
  nextAt: number
}

interface Kept {
  /** Of the build's state at that time. */
  readonly key: string
  readonly explanation: Promise<Explanation>
  /** Ends the work. */
  readonly leaving: AbortController
  /** Callers that wait for it and may leave. */
  readers: number
  readonly state: {
    /** When it was begun, what was known then, and how long it took in milliseconds; absent until it is complete. */
    made?: { readonly at: number; readonly revision: number; readonly learning: boolean; readonly tookMs: number }
    isFinal: boolean
  }
}

/** Aborts the work when nobody waits for it any more. */
async function awaited(kept: Kept, signal: AbortSignal | undefined): Promise<Explanation> {
  if (!signal) {
    kept.readers = Number.POSITIVE_INFINITY
    return await kept.explanation
  }
  function leave(): void {
    kept.readers -= 1
    if (kept.readers === 0) kept.leaving.abort(new Failure('cancelled', 'nobody waits for this explanation any more'))
  }
  kept.readers += 1
  if (signal.aborted) leave()
  else signal.addEventListener('abort', leave)
  try {
    return await kept.explanation
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

function slotOf({ id }: BuildRecord, against?: string): string {
  return JSON.stringify([id, against])
}

function keyOf(build: BuildRecord): string {
  return `${build.id} ${heardOf(build)}`
}

/**
 * Changes with everything heard of a build's actions. The cache and the scheduler report independently: a late report
 * from one may be older than the other's, and about an action that is known already.
 */
export function heardOf({ lastSeen, actions, hits, executed, local, failed, missed }: BuildRecord): string {
  return JSON.stringify([lastSeen, actions, hits, executed, local, failed, missed])
}

/** Its client says so, or nothing has been heard of it for a while. */
export function hasEnded({ told, lastSeen }: BuildRecord, now: number): boolean {
  return told?.finished !== undefined || now - lastSeen >= quietMs
}
