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
}

export interface SpaceOptions {
  readonly bytesMax: number
  /** Kept free for what eviction itself writes. */
  readonly headBytes: number
  /** Evicts the oldest thing; false when there is none. */
  readonly evict: () => Promise<boolean>
}

export function createSpace({ bytesMax, headBytes, evict }: SpaceOptions): Space {
  const limit = bytesMax - headBytes
  let bytesStored = 0
  let bytesHeld = 0
  let queue: Promise<unknown> = Promise.resolve()

  function tryHold(bytes: number): boolean {
    if (bytesStored + bytesHeld + bytes > limit) return false
    bytesHeld += bytes
    return true
  }

  async function evictFor(bytes: number): Promise<void> {
    while (!tryHold(bytes)) {
      // Nothing is thrown away for a write that cannot fit even then.
      const hopeless = bytesHeld + bytes > limit
      if (hopeless || !(await evict())) throw exhausted(bytes, bytesMax, bytesHeld)
    }
  }

  return {
    get bytesStored() {
      return bytesStored
    },
    get bytesHeld() {
      return bytesHeld
    },
    tryHold,
    hold(bytes) {
      const turn = queue.then(() => evictFor(bytes))
      queue = turn.catch(() => undefined)
      return turn
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
  }
}

function exhausted(bytes: number, bytesMax: number, bytesHeld: number): Failure {
  const beside = bytesHeld > 0 ? ` beside ${bytesHeld} bytes of writes and reads in flight` : ''
  return new Failure('exhausted', `${bytes} bytes do not fit into a store of ${bytesMax} bytes${beside}`, {
    next: ['Give the cache more room (--cache-size, or store.size in its configuration).'],
  })
}
