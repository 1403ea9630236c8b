import { createHash } from 'node:crypto'
import { type Grant, type Guest, unauthenticated } from './visitor.ts'

/** More people than a server has; beyond, those who have no open calls are asked anew. */
const guestsMax = 10_000

/**
 * Everybody whose credentials were found to be good. They are looked up by a hash of what they sent, so that the time
 * of a look-up tells nothing of it.
 */
export interface Guests {
  find(authorization: string): Guest | undefined
  add(authorization: string, guest: Guest): void
  /** Somebody who is known by other means than a header, and expires all the same. */
  keep(guest: Guest): void
  /** Forgets who has expired, and expels whose grant is gone: to be called often. */
  review(nowMs: number): void
}

export function createGuests(): Guests {
  const byHash = new Map<string, Guest>()
  const all = new Set<Guest>()

  function makeRoom(): void {
    if (all.size < guestsMax) return
    for (const guest of all) {
      if (guest.calls.size > 0) continue
      guest.forget()
      all.delete(guest)
      break
    }
    for (const [hash, guest] of byHash) if (!guest.current) byHash.delete(hash)
  }

  return {
    find(authorization) {
      const guest = byHash.get(hashOf(authorization))
      return guest?.current ? guest : undefined
    },
    add(authorization, guest) {
      makeRoom()
      byHash.set(hashOf(authorization), guest)
      all.add(guest)
    },
    keep(guest) {
      makeRoom()
      all.add(guest)
    },
    review(nowMs) {
      for (const guest of all) {
        const { holds, untilMs, name } = guest.grant
        if (holds && !holds()) guest.expel(unauthenticated(`${name}: these credentials were revoked`))
        else if (untilMs !== undefined && nowMs >= untilMs) {
          if (endsCalls(guest.grant)) guest.expel(unauthenticated(`${name}: these credentials have expired`))
          else guest.forget()
        }
        if (!guest.current && guest.calls.size === 0) all.delete(guest)
      }
      for (const [hash, guest] of byHash) if (!guest.current) byHash.delete(hash)
    },
  }
}

/**
 * Do open calls end when the credentials expire? Those of a worker do, by whatever it is known: it stands for a machine, and
 * would fail what it is given.
 */
function endsCalls({ standing, renewed = false }: Grant): boolean {
  return standing === 'worker' && !renewed
}

function hashOf(authorization: string): string {
  return createHash('sha256').update(authorization).digest('base64')
}
