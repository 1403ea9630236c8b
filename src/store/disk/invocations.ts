import type { Clock } from '../../core/clock.ts'
import type { Digest } from '../../core/digest.ts'
import { holdersMax } from './pin-tally.ts'

/** A build, as its calls name it. */
export interface Invocation {
  readonly id: string
  /** The address of who named it first, without the port. */
  readonly client: string
  /** Its bit in the marks of what it holds. */
  readonly bit: number
  /** When it was named first and last, in milliseconds. */
  readonly firstAt: number
  lastAt: number
  /** What it holds, as long as that is little: releasing it then needs no look at the whole store. */
  few: Digest[] | undefined
}

/** The invocations that are live: named lately. */
export interface Invocations {
  /** Notes that it was named just now; undefined when there is no place for it. */
  seen(id: string, client: string): Invocation | undefined
  /** Ends those that have been silent for too long. */
  expire(): void
  /** Settles when all that those held which have ended is free; undefined when it is. */
  released(): Promise<unknown> | undefined
  /** Ends one that makes way for this one, which needs room. @returns false when none does */
  makeWayFor(asker: Invocation): boolean
  readonly all: readonly Invocation[]
}

export interface InvocationsOptions {
  readonly clock: Clock
  /** An invocation that was not named for so long is over, in milliseconds. */
  readonly silenceMs: number
  /** What the invocation with this bit holds. */
  bytesOf(bit: number): number
  /** It has ended: nothing is to be kept for it any more. Its bit goes to no other before this has settled. */
  ended(invocation: Invocation): void | Promise<void>
}

/** Of one client: no flood of ids takes the places of all others. */
export const perClientMax = holdersMax / 2
/** An invocation that was active for longer makes way no later for it: after this part of the silence. */
const graceShare = 1 / 5
/** However short it was active so far, an invocation makes way no sooner, in milliseconds: for its own client, and for others. */
const ownGraceMsMin = 10_000
const othersGraceMsMin = 1_000
const turnedAwayMs = 100
const idLengthMax = 128

/** None is live. */
export function createInvocations({ clock, silenceMs, bytesOf, ended }: InvocationsOptions): Invocations {
  const live = new Map<string, Invocation>()
  let freeBits = 2 ** holdersMax - 1

  /** Who found no place just now: with a new id in each call, looking each time would cost more than the call. */
  let turnedAway = { client: '', until: 0 }
  const releasing = new Set<Promise<void>>()

  function end(invocation: Invocation): void {
    live.delete(invocation.id)
    const free = () => {
      freeBits = (freeBits | (1 << invocation.bit)) >>> 0
    }
    const release = ended(invocation)
    if (release) {
      const released = release.then(free).finally(() => releasing.delete(released))
      releasing.add(released)
    } else free()
  }

  function expire(): void {
    const before = clock.now() - silenceMs
    for (const each of live.values()) if (each.lastAt < before) end(each)
  }

  function sumOf(client: string, weigh: (each: Invocation) => number): number {
    let sum = 0
    for (const each of live.values()) if (each.client === client) sum += weigh(each)
    return sum
  }

  /**
   * Has it been silent for as long as it was active before, within bounds? Then a newer one of its client has a better
   * claim to what it takes, and so has a client that takes less than its own.
   */
  function makesWay(each: Invocation, client: string, weigh: (each: Invocation) => number): boolean {
    const own = each.client === client
    const graceMs = Math.max(own ? ownGraceMsMin : othersGraceMsMin, each.lastAt - each.firstAt)
    if (clock.now() - each.lastAt < Math.min(graceMs, silenceMs * graceShare)) return false
    return own || sumOf(each.client, weigh) > sumOf(client, weigh)
  }

  /** Ends the one that has been silent longest of those that make way. */
  function endOne(client: string, weigh: (each: Invocation) => number, among: (each: Invocation) => boolean): boolean {
    let found: Invocation | undefined
    for (const each of live.values())
      if ((!found || each.lastAt < found.lastAt) && among(each) && makesWay(each, client, weigh)) found = each
    if (found) end(found)
    return found !== undefined
  }

  function hasPlaceFor(client: string): boolean {
    const one = () => 1
    if (sumOf(client, one) >= perClientMax && !endOne(client, one, (each) => each.client === client)) return false
    if (freeBits === 0 && releasing.size === 0) endOne(client, one, () => true)
    return freeBits !== 0
  }

  return {
    seen(id, client) {
      const known = live.get(id)
      if (known) {
        known.lastAt = clock.now()
        return known
      }
      if (id.length > idLengthMax || (client === turnedAway.client && clock.now() < turnedAway.until)) return undefined
      expire()
      if (!hasPlaceFor(client)) {
        turnedAway = { client, until: clock.now() + turnedAwayMs }
        return undefined
      }
      const bit = 31 - Math.clz32(freeBits & -freeBits)
      freeBits = (freeBits & ~(1 << bit)) >>> 0
      const fresh = { id, client, bit, firstAt: clock.now(), lastAt: clock.now(), few: [] }
      live.set(id, fresh)
      return fresh
    },
    expire,
    released: () => (releasing.size === 0 ? undefined : Promise.all(releasing)),
    makeWayFor: (asker) =>
      endOne(
        asker.client,
        ({ bit }) => bytesOf(bit),
        (each) => each !== asker && bytesOf(each.bit) > 0,
      ),
    get all() {
      return [...live.values()]
    },
  }
}
