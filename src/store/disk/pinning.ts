import type { Clock } from '../../core/clock.ts'
import type { Digest } from '../../core/digest.ts'
import { createInvocations, type Invocation, type Invocations } from './invocations.ts'
import type { Markable, PinTally } from './pin-tally.ts'

export interface PinningOptions {
  readonly clock: Clock
  readonly tally: PinTally
  /** How long an invocation may be silent, in milliseconds. */
  readonly silenceMs: number
  /** The most that is kept, in bytes on disk. */
  readonly bytesMax: number
  /** Where blobs of this digest lie. */
  placeOf(digest: Digest): Markable
  readonly places: readonly Markable[]
}

/** Marks blobs for invocations, as far as there is room, and takes the marks off those of invocations that end. */
export interface Pinning {
  readonly invocations: Invocations
  /** @returns whether it is held now; undefined when it is absent */
  pin(invocation: Invocation | undefined, digest: Digest): boolean | undefined
  /** @returns whether there is room for so many bytes more, once what can be released for them is free */
  awaitRoom(invocation: Invocation, bytes: number): Promise<boolean>
}

/** An invocation that holds no more is released blob by blob, others by a look at the whole index. */
const fewMax = 256

/** @param ended is told the id of each invocation that ends */
export function createPinning(options: PinningOptions, ended: (id: string) => void): Pinning {
  const { clock, tally, silenceMs, bytesMax, placeOf, places } = options
  const invocations = createInvocations({ clock, silenceMs, bytesOf: tally.bytesOf, ended: release })

  function release({ id, bit, few }: Invocation): void | Promise<void> {
    ended(id)
    const mark = 1 << bit
    if (!few) return releaseAll(mark)
    for (const digest of few) placeOf(digest).unpin(digest, mark)
  }

  async function releaseAll(mark: number): Promise<void> {
    for (const place of places) await place.unpinAll(mark)
  }

  /** Is there room for so much more? Makes it, as far as that goes at once. */
  function hasRoom(invocation: Invocation, bytes: number): boolean {
    if (tally.bytes + bytes <= bytesMax) return true
    invocations.expire()
    while (tally.bytes + bytes > bytesMax)
      if (invocations.released() || !invocations.makeWayFor(invocation)) return false
    return true
  }

  return {
    invocations,
    pin(invocation, digest) {
      const mark = invocation ? 1 << invocation.bit : 0
      const place = placeOf(digest)
      const before = place.pin(digest, mark)
      if (before === undefined) return undefined
      if (!invocation) return false
      if ((before & mark) !== 0) return true
      if (!hasRoom(invocation, 0)) {
        place.unpin(digest, mark)
        return false
      }
      if (invocation.few && invocation.few.length < fewMax) invocation.few.push(digest)
      else invocation.few = undefined
      return true
    },
    async awaitRoom(invocation, bytes) {
      while (!hasRoom(invocation, bytes)) {
        const released = invocations.released()
        if (!released) return false
        await released
      }
      return true
    },
  }
}
