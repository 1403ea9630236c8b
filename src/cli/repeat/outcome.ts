import type { DifferentAction } from '../../core/output-difference.ts'
import type { Stopped } from './each-action.ts'

/** What a check of a build came to. */
export interface RepeatReport {
  readonly build: string
  /** Actions that were run again to their end, and those of them that made the same. */
  readonly checked: number
  readonly same: number
  readonly different: readonly DifferentAction[]
  /** Actions that are different and not named. */
  readonly moreDifferent: number
  /** Those that could not be run again, or not be compared, by why. */
  readonly notRun: readonly NotRun[]
  /** Beyond the limit. */
  readonly left: number
  /** Why not all within it were begun. */
  readonly stopped: Stopped | null
}

export const notRunReasons = ['inputs-missing', 'action-missing', 'refused', 'not-compared'] as const

/** Why actions were not run again; not-compared: they were, and what they made cannot be read. */
export interface NotRun {
  readonly reason: (typeof notRunReasons)[number]
  readonly actions: number
  /** One of them, and what was said of it. */
  readonly example: string
  readonly message: string
}
