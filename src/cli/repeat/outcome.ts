import type { DifferentAction } from '../../core/output-difference.ts'
import type { Stopped } from './each-action.ts'

/** The outcome of checking a build. */
export interface RepeatReport {
  readonly build: string
  /** Actions that ran again to completion, and how many of them gave the same outputs. */
  readonly checked: number
  readonly same: number
  readonly different: readonly DifferentAction[]
  /** Actions that differ and are not listed. */
  readonly moreDifferent: number
  /** Actions that were checked, but are not known to have run on two workers, by reason. */
  readonly notElsewhere: readonly NotElsewhere[]
  /** Actions that could not be run again, or not be compared, by reason. */
  readonly notRun: readonly NotRun[]
  /** Beyond the limit. */
  readonly left: number
  /** Why not all within the limit were started. */
  readonly stopped: Stopped | null
}

export const notElsewhereReasons = ['only-worker', 'others-busy', 'unknown'] as const

/**
 * Why actions are not known to have run on two workers: no other worker could run them; none of those had a free slot
 * in time; or a result does not name its worker.
 */
export interface NotElsewhere {
  readonly reason: (typeof notElsewhereReasons)[number]
  readonly actions: number
  /** One of them. */
  readonly example: string
}

export const notRunReasons = ['inputs-missing', 'action-missing', 'refused', 'not-compared'] as const

/** Why actions were not run again; not-compared: they were, but their outputs cannot be read. */
export interface NotRun {
  readonly reason: (typeof notRunReasons)[number]
  readonly actions: number
  /** One of them, and its message. */
  readonly example: string
  readonly message: string
}
