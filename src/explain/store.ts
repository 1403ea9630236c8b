import type { BuildRecord } from '../core/build-history.ts'
import type { Explanation, Subject } from './build.ts'
import { heardOf } from './heard.ts'

/** Keeps texts about builds for longer than a process lives: explanations, in a form of their own. */
export interface ExplanationStore {
  /**
   * What was kept of a build in this state.
   * @param build its full id
   * @param asked what else was asked for; empty for nothing
   */
  get(build: string, asked: string, state: string): string | undefined
  /** Would `get` find something? */
  has(build: string, asked: string, state: string): boolean
  /** Replaces what was kept before. What cannot be kept is dropped. */
  put(build: string, asked: string, state: string, text: string): void
}

/** Explanations of ended builds, in a store. */
export interface KeptExplanations {
  get(build: BuildRecord, asked: Question): Explanation | undefined
  /** Of the whole build, compared with any. */
  has(build: BuildRecord): boolean
  put(build: BuildRecord, asked: Question, explanation: Explanation): void
}

/** What is asked of a build. */
export interface Question {
  /** Compares with this build only, by its full id. */
  readonly against?: string | undefined
  /** A part of it; the whole build if absent. */
  readonly subject?: Subject | undefined
}

/** To be raised when a build would be explained in another way: what earlier releases have kept is then made anew. */
const edition = 3

/** An explanation is good for as long as nothing more is heard of its build: what it rests on was there before. */
export function keptIn(store: ExplanationStore): KeptExplanations {
  return {
    get(build, asked) {
      const text = store.get(build.id, askedText(asked), stateOf(build))
      return text === undefined ? undefined : { ...(JSON.parse(text) as Omit<Explanation, 'build'>), build }
    },
    has: (build) => store.has(build.id, '', stateOf(build)),
    put(build, asked, { build: _, ...rest }) {
      store.put(build.id, askedText(asked), stateOf(build), JSON.stringify(rest))
    },
  }
}

/** Equal for equal questions: for a whole build, the id of the only build that it is compared with, or nothing. */
function askedText({ against = '', subject = {} }: Question): string {
  const { target, hashPrefix } = subject
  return isWhole({ subject }) ? against : JSON.stringify([against, target ?? '', hashPrefix ?? ''])
}

/** Is it about all actions of a build? */
export function isWhole({ subject }: Question): boolean {
  return subject?.target === undefined && subject?.hashPrefix === undefined
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
