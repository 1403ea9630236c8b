import type { Clock } from '../../core/clock.ts'
import { Failure } from '../../core/failure.ts'

/**
 * The ledger of bytes on disk. What is stored can be evicted; what is held cannot: writes in
 * flight, and files that are unlinked but still being read. Both together never pass the capacity.
 */
export interface Space {
  readonly bytesStored: number
  readonly bytesHeld: number
  /** Holds bytes for a write, if there is room without evicting. */
  tryHold(bytes: number): boolean
  /**
   * Holds bytes for a write, evicting what is needed; the first that asks is served first.
   * @throws Failure 'exhausted' when even evicting everything would not make room
   */
  hold(bytes: number): Promise<void>
  /**
   * Nothing is held or evicted for what is only announced; but what can never fit is refused at once.
   * @throws Failure 'exhausted'
   */
  assertFits(bytes: number): void
  /** Holds a few bytes for news of a deletion whatever the limit, out of the head room. */
  force(bytes: number): void
  /** Gives up bytes that were held. */
  release(bytes: number): void
  /** What was held is on disk now. */
  settle(bytes: number): void
  /** Bytes that came to disk without being held: found at start, or out of the head room. */
  add(bytes: number): void
  /** What was stored is gone; with `held`, only once it is released (it is still being read). */
  remove(bytes: number, held?: boolean): void
  /**
   * The disk had no room for bytes that are within the capacity. Evicts that much, or more: what eviction itself
   * may write, but for that no more than half. For a while no more is stored than was to be left: others may use the
   * disk too. Where too little can be evicted, the limit is the whole size again, since a lower one would refuse
   * writes even after others have freed the disk: each write asks the disk anew.
   * @returns false when nothing could be evicted
   */
  relieve(bytes: number): Promise<boolean>
}

export interface SpaceOptions {
  readonly bytesMax: number
  /** Kept free for what eviction itself writes. */
  readonly headBytes: number
  readonly clock: Clock
  /**
   * Evicts what ranks last; false when there is nothing.
   * @param room bytes that what is stored may take in the end
   * @param inVain evictions in a row, before this one, that left as much stored as there was
   */
  readonly evict: (room: number, inVain: number) => Promise<boolean>
  /** Why a write finds no room that can be made, where that is so because of what is kept; absent, nothing is. */
  readonly refusal?: (bytes: number) => Failure | undefined
  /** The disk has less room than the capacity, so less is stored for a while. */
  readonly shortened: () => void
}

/** How long the store takes less than its size after the disk was full, in milliseconds. */
export const shortMs = 10 * 60_000

export function createSpace({ bytesMax, headBytes, clock, evict, shortened, refusal: kept }: SpaceOptions): Space {
  const whole = bytesMax - headBytes
  let limit = whole
  let shortUntil = 0
  let bytesStored = 0
  let bytesHeld = 0
  let queue: Promise<unknown> = Promise.resolve()
  let relieving: Promise<boolean> | undefined

  function tryHold(bytes: number): boolean {
    if (limit < whole && clock.now() > shortUntil) limit = whole
    if (bytesStored + bytesHeld + bytes > limit) return false
    bytesHeld += bytes
    return true
  }

  async function evictFor(bytes: number): Promise<void> {
    const evictOne = evictor(evict, () => bytesStored)
    while (!tryHold(bytes)) {
      const room = limit - bytesHeld - bytes
      // Nothing is thrown away for a write that cannot fit even then.
      if (room < 0) throw refusal(bytes)
      if (!(await evictOne(room))) throw kept?.(bytes) ?? refusal(bytes)
    }
  }

  /** Why a write finds no room: the store is too small, or the disk currently has less room than the store may use. */
  function refusal(bytes: number): Failure {
    return bytesHeld + bytes > whole || limit === whole
      ? exhausted(bytes, bytesMax, bytesHeld)
      : diskTooFull(bytes, limit, bytesHeld)
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = queue.then(work)
    queue = turn.catch(() => undefined)
    return turn
  }

  async function shorten(bytes: number): Promise<boolean> {
    const before = bytesStored
    // What eviction itself writes needs room on the disk too; but a store that has little does not lose all for it.
    const surplus = Math.max(bytes, Math.min(headBytes, Math.ceil(bytesStored / 2)))
    const target = Math.max(0, bytesStored - surplus)
    const evictOne = evictor(evict, () => bytesStored)
    while (bytesStored > target) if (!(await evictOne(target))) break
    // Whatever came of it: the limit of an earlier relief says no longer what the disk gives. It is the target, not
    // what is left, which may be nothing where one segment held all.
    limit = target > 0 && bytesStored <= target ? Math.min(whole, target + bytesHeld) : whole
    shortUntil = clock.now() + shortMs
    if (bytesStored >= before) return false
    if (limit < whole) shortened()
    return true
  }

  return {
    get bytesStored() {
      return bytesStored
    },
    get bytesHeld() {
      return bytesHeld
    },
    tryHold,
    hold: (bytes) => inTurn(() => evictFor(bytes)),
    assertFits(bytes) {
      if (bytes > whole) throw exhausted(bytes, bytesMax, 0)
    },
    force(bytes) {
      bytesHeld += bytes
    },
    release(bytes) {
      bytesHeld -= bytes
    },
    settle(bytes) {
      bytesHeld -= bytes
      bytesStored += bytes
    },
    add(bytes) {
      bytesStored += bytes
    },
    remove(bytes, held = false) {
      bytesStored -= bytes
      if (held) bytesHeld += bytes
    },
    relieve(bytes) {
      // Many writes find the disk full at once; one relief is for all of them.
      relieving ??= inTurn(() => shorten(bytes)).finally(() => {
        relieving = undefined
      })
      return relieving
    },
  }
}

/** Evictions for one purpose: each is passed how many in a row before it freed nothing. */
function evictor(evict: SpaceOptions['evict'], stored: () => number): (room: number) => Promise<boolean> {
  let least = stored()
  let inVain = 0
  return async (room) => {
    const found = await evict(room, inVain)
    inVain = stored() < least ? 0 : inVain + 1
    least = Math.min(least, stored())
    return found
  }
}

function exhausted(bytes: number, bytesMax: number, bytesHeld: number): Failure {
  return new Failure(
    'exhausted',
    `${bytes} bytes do not fit into a store of ${bytesMax} bytes${besideHeld(bytesHeld)}`,
    {
      next: ['Give the cache more room (--cache-size, or store.size in its configuration).'],
    },
  )
}

function diskTooFull(bytes: number, limit: number, bytesHeld: number): Failure {
  const problem = `the disk is full: ${bytes} bytes do not fit into the ${limit} bytes that it leaves to the store`
  return new Failure('exhausted', `${problem}${besideHeld(bytesHeld)}`, {
    next: [`Free space on the disk that holds the store; it is tried again within ${shortMs / 60_000} minutes.`],
  })
}

function besideHeld(bytesHeld: number): string {
  return bytesHeld > 0 ? ` beside ${bytesHeld} bytes of writes and reads in flight` : ''
}
