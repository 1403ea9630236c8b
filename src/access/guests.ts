import { createHash } from 'node:crypto'
import { type Grant, type Guest, unauthenticated } from './visitor.ts'

/** More people than a server has; beyond this, those without open calls are authenticated again. */
const guestsMax = 10_000

/**
 * Everybody whose credentials have been accepted. They are looked up by a hash of what they sent, so that the time of a
 * look-up reveals nothing about it.
 */
export interface Guests {
  find(authorization: string): Guest | undefined
  add(authorization: string, guest: Guest): void
  /** A caller known by something other than a header, who expires all the same. */
  keep(guest: Guest): void
  /** Forgets callers that have expired, and expels those whose grant is gone; to be called often. */
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
 * Do open calls end when the credentials expire? A worker's do, however it authenticated: it stands for a machine that
 * could no longer use the cache, and would fail the actions that it is given.
 */
function endsCalls({ standing, renewed = false }: Grant): boolean {
  return standing === 'worker' && !renewed
}

function hashOf(authorization: string): string {
  return createHash('sha256').update(authorization).digest('base64')
}
