import type { Clock } from '../../core/clock.ts'
import type { Trouble } from './trouble.ts'

/** What is to be done about a trouble. */
export interface Wait {
  /** The trouble counts. */
  readonly ripe?: Trouble
  /** Otherwise, when to check again, in milliseconds. */
  readonly inMs?: number
}

const triesMax = 2

interface Seen {
  readonly message: string
  readonly since: number
  /** How many tries were seen to fail. */
  readonly tries: number
  readonly failedTry: boolean
}

/**
 * Distinguishes a trouble that has lasted its grace, or whose second try has failed, from a new one, by our own clock,
 * from when it was first seen. It has to be given each state of each object, by the object's uid.
 */
export function createRipening(clock: Clock): (uid: string, trouble: Trouble | undefined) => Wait | undefined {
  const seen = new Map<string, Seen>()
  return (uid, trouble) => {
    if (!trouble) {
      seen.delete(uid)
      return undefined
    }
    const known = seen.get(uid)
    const before = known?.message === trouble.message ? known : undefined
    const failedTry = trouble.failedTry ?? false
    const tries = (before?.tries ?? 0) + (failedTry && !before?.failedTry ? 1 : 0)
    const since = before?.since ?? clock.now()
    seen.set(uid, { message: trouble.message, since, tries, failedTry })
    const left = since + trouble.graceMs - clock.now()
    return left <= 0 || tries >= triesMax ? { ripe: trouble } : { inMs: left }
  }
}
