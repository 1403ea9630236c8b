import type { Clock } from '../core/clock.ts'

const quietMs = 60_000
/** How many kinds of problems are told apart. */
const kindsMax = 100

interface Kind {
  /** When it was last logged. */
  at: number
  /** How often it was suppressed since. */
  since: number
}

/**
 * Lets each kind of line through once a minute, with the number of suppressed ones: whoever can connect must not be
 * able to fill the log.
 */
export function occasionally(
  clock: Pick<Clock, 'now'>,
  tell: (message: string, fields: object) => void,
): (message: string, fields: object) => void {
  const kinds = new Map<string, Kind>()
  return (message, fields) => {
    const now = clock.now()
    const kind = kinds.get(message)
    if (kind && now - kind.at < quietMs) {
      kind.since += 1
      return
    }
    if (!kind && kinds.size >= kindsMax) kinds.clear()
    kinds.set(message, { at: now, since: 0 })
    tell(message, kind && kind.since > 0 ? { ...fields, more: kind.since } : fields)
  }
}
