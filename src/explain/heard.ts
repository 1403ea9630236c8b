import type { BuildRecord } from '../core/build-history.ts'
import { lateMs } from './settled.ts'

/** Of builds that ended longer ago, in milliseconds, nothing more is expected. */
export const freshMs = 60_000

/**
 * Changes with everything heard of a build's actions. The cache and the scheduler report independently: a late report
 * from one may be older than the other's, and about an action that is known already.
 */
export function heardOf({ lastSeen, actions, hits, executed, local, failed, missed }: BuildRecord): string {
  return JSON.stringify([lastSeen, actions, hits, executed, local, failed, missed])
}

/** Its client says so, or nothing has been heard of it for a while. */
export function hasEnded({ told, lastSeen }: BuildRecord, now: number): boolean {
  return told?.finished !== undefined || now - lastSeen >= lateMs
}
