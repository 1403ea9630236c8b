import type { BuildRecord } from '../core/build-history.ts'
import type { Explanation } from './build.ts'
import { heardOf } from './heard.ts'

/** Keeps texts about builds for longer than a process lives: explanations, in a form of their own. */
export interface ExplanationStore {
  /**
   * What was kept of a build in this state.
   * @param build its full id
   * @param against the full id of the only build that it was compared with; empty for any
   */
  get(build: string, against: string, state: string): string | undefined
  /** Would `get` find something? */
  has(build: string, against: string, state: string): boolean
  /** Replaces what was kept before. What cannot be kept is dropped. */
  put(build: string, against: string, state: string, text: string): void
}

/** Explanations of ended builds, in a store. */
export interface KeptExplanations {
  get(build: BuildRecord, against: string | undefined): Explanation | undefined
  has(build: BuildRecord): boolean
  put(build: BuildRecord, against: string | undefined, explanation: Explanation): void
}

/** To be raised when a build would be explained in another way: what earlier releases have kept is then made anew. */
const edition = 2

/** An explanation is good for as long as nothing more is heard of its build: what it rests on was there before. */
export function keptIn(store: ExplanationStore): KeptExplanations {
  return {
    get(build, against = '') {
      const text = store.get(build.id, against, stateOf(build))
      return text === undefined ? undefined : { ...(JSON.parse(text) as Omit<Explanation, 'build'>), build }
    },
    has: (build) => store.has(build.id, '', stateOf(build)),
    put(build, against, { build: _, ...rest }) {
      store.put(build.id, against ?? '', stateOf(build), JSON.stringify(rest))
    },
  }
}

function stateOf(build: BuildRecord): string {
  return `${edition} ${heardOf(build)}`
}

/**
 * The explanation of a build compared with one other build alone, from that of the same build compared with any;
 * undefined if it does not follow.
 */
export function asAgainst(explanation: Explanation, against: string): Explanation | undefined {
  if (explanation.onlyAgainst !== against) return undefined
  const causes = explanation.causes.map((each) => (each.kind === 'never-seen' ? { ...each, subject: against } : each))
  return { ...explanation, causes }
}
