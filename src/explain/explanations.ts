import type { BuildRecord, LocalHistory } from '../core/build-history.ts'
import type { Clock } from '../core/clock.ts'
import { Failure } from '../core/failure.ts'
import { createSemaphore } from '../core/semaphore.ts'
import { startAhead } from './ahead.ts'
import { type Explanation, explainBuild } from './build.ts'
import { createFollowedBuilds } from './followed.ts'
import { hasEnded, heardOf } from './heard.ts'
import { goodMs } from './pace.ts'
import type { Settled } from './settled.ts'
import { type SharedWork, shareWork } from './shared-work.ts'
import { asAgainst, type ExplanationStore, isWhole, keptIn, type Question } from './store.ts'

/** Explanations of builds, and of parts of them, the costly part of a build's page and of `native explain`. */
export interface Explanations {
  /** @throws Failure 'cancelled' when all callers waiting for it have left, 'unavailable' when the console stops */
  of(build: BuildRecord, asked?: Asked): Promise<Explanation>
  /** The last that was made of the build, while another is being made; it may be of an earlier state of it. */
  last(build: BuildRecord, against?: string): Explanation | undefined
  /** Is there an explanation that stays valid unless more is heard of the build? */
  isFinal(build: BuildRecord): boolean
  /** Would an explanation that is made now stay valid: has the build ended, and is everything read? */
  hasSettled(build: BuildRecord): boolean
  /** What was found of a build while it goes on; undefined if it ended long ago. */
  settled(build: BuildRecord): Settled | undefined
  close(): void
}

export interface Asked extends Question {
  /** Aborts when the caller has left; if absent, the explanation is always completed. */
  readonly signal?: AbortSignal
}

/** In memory. A build that has ended stays as it is. */
const keptMax = 20
/** Builds explained at once: each reads for seconds, and caches what it has read. */
const atOnceMax = 2

/**
 * Explains a build once, until more is heard of it; and one that has just ended before anybody asks. While actions are
 * still to be read, the explanation may be wrong, since these have no outputs and no predecessors yet: it is only good
 * for a while.
 * @param store keeps those that stay as they are
 */
export function createExplanations(history: LocalHistory, clock: Clock, store: ExplanationStore): Explanations {
  const stored = keptIn(store)
  const kept = new Map<string, Kept>()
  const semaphore = createSemaphore(atOnceMax)
  const ending = new AbortController()
  const followed = createFollowedBuilds(history, clock)

  function of(build: BuildRecord, { signal, ...asked }: Asked = {}): Promise<Explanation> {
    const slot = slotOf(build, asked)
    const known = kept.get(slot)
    if (known && isGood(known, build)) return known.work.wait(signal)
    const made = begun(build, asked)
    kept.delete(slot)
    kept.set(slot, made)
    made.work.result.catch(() => {
      if (kept.get(slot) === made) kept.delete(slot)
    })
    for (const oldest of kept.keys()) {
      if (kept.size <= keptMax) break
      kept.delete(oldest)
    }
    return made.work.wait(signal)
  }

  function begun(build: BuildRecord, asked: Question): Kept {
    const last = kept.get(slotOf(build, asked))?.state.last
    const state: Kept['state'] = { isFinal: false, ...(last && { last }) }
    const work = shareWork(async (signal) => {
      const before = recalled(build, asked)
      state.last = before ?? (await semaphore(() => made(build, asked, state, signal)))
      if (before) {
        state.made = { at: clock.now(), revision: history.revision(), learning: false, tookMs: 0 }
        state.isFinal = true
      }
      return state.last
    }, ending.signal)
    return { key: keyOf(build), work, state }
  }

  async function made(build: BuildRecord, asked: Question, state: Kept['state'], signal: AbortSignal) {
    signal.throwIfAborted()
    const [at, revision, wasLearning] = [clock.now(), history.revision(), isLearning()]
    const { against, subject } = asked
    const settled = isWhole(asked) && against === undefined ? followed.settled(build) : undefined
    const options = { signal, settled, ...(subject && { subject }), ...(against !== undefined && { against }) }
    const explanation = await explainBuild(history, build, options)
    const learning = wasLearning || isLearning()
    state.made = { at, revision, learning, tookMs: clock.now() - at }
    state.isFinal = !learning
    if (state.isFinal && explanation.unread === 0 && hasEnded(build, clock.now())) stored.put(build, asked, explanation)
    return explanation
  }

  /** What is known without looking at any action. */
  function recalled(build: BuildRecord, asked: Question): Explanation | undefined {
    const own = stored.get(build, asked)
    const { against } = asked
    if (own || against === undefined || !isWhole(asked)) return own
    const whole = stored.get(build, {})
    return whole && asAgainst(whole, against)
  }

  function isGood({ key, state: { made, isFinal }, work }: Kept, build: BuildRecord): boolean {
    if (work.isAborted) return false
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
    return (known?.state.isFinal === true && known.key === keyOf(build)) || stored.has(build)
  }

  function isLearning(): boolean {
    return history.learningSince() !== undefined
  }

  const stopAhead = startAhead({
    ...{ history, clock, followed, explanations: { of, isFinal } },
    follow: (build) => semaphore(() => followed.explain(build, ending.signal)),
  })
  return {
    of,
    last: (build, against) => kept.get(slotOf(build, { against }))?.state.last,
    isFinal,
    hasSettled: (build) => isFinal(build) || (hasEnded(build, clock.now()) && !isLearning()),
    settled: followed.settled,
    close() {
      ending.abort(new Failure('unavailable', 'this console is stopping'))
      stopAhead()
    },
  }
}

interface Kept {
  /** Of the build's state at that time. */
  readonly key: string
  readonly work: SharedWork<Explanation>
  readonly state: {
    /**
     * When it was begun, the history's revision then, whether more was still to be read, and how long it took in
     * milliseconds; absent until it is complete.
     */
    made?: { readonly at: number; readonly revision: number; readonly learning: boolean; readonly tookMs: number }
    isFinal: boolean
    /** Until it is complete, the one before. */
    last?: Explanation
  }
}

function slotOf({ id }: BuildRecord, { against, subject }: Question = {}): string {
  return JSON.stringify([id, against, subject?.target, subject?.hashPrefix])
}

function keyOf(build: BuildRecord): string {
  return `${build.id} ${heardOf(build)}`
}
