import type { Clock } from '../../core/clock.ts'
import type { Digest } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { sizeText } from '../../core/units.ts'
import type { Holder, Pins } from '../pins.ts'
import { createInvocations, type Invocation } from './invocations.ts'
import type { Markable, PinTally } from './pin-tally.ts'

export interface DiskPinsOptions {
  readonly clock: Clock
  readonly tally: PinTally
  /** How long an invocation may be silent, in milliseconds. */
  readonly silenceMs: number
  /** The most that is kept, in bytes on disk. */
  readonly bytesMax: number
  /** Where blobs of this digest lie. */
  placeOf(digest: Digest): Markable
  readonly places: readonly Markable[]
  /** What a blob takes on disk. */
  cost(digest: Digest): number
}

/** Pins, and what the store asks of them. */
export interface DiskPins extends Pins {
  /** Ends what has been silent for too long; settles once that is free. */
  expire(): Promise<void>
  /** Why an upload finds no room that is not kept. */
  refusal(bytes: number): Failure
}

/** An invocation that holds no more is released blob by blob, others by a look at the whole index. */
const fewMax = 256

export function createPins(options: DiskPinsOptions): DiskPins {
  const { clock, tally, silenceMs, bytesMax, placeOf, places, cost } = options
  /** Of those that are live. */
  const holders = new Map<string, Holder>()
  let unheld = 0
  let refused = 0
  const invocations = createInvocations({ clock, silenceMs, bytesOf: tally.bytesOf, ended: release })

  function release({ id, bit, few }: Invocation): void | Promise<void> {
    holders.delete(id)
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

  /** The same, however long it takes. */
  async function awaitRoom(invocation: Invocation, bytes: number): Promise<boolean> {
    while (!hasRoom(invocation, bytes)) {
      const released = invocations.released()
      if (!released) return false
      await released
    }
    return true
  }

  /** @returns whether it is held now; undefined when it is absent */
  function pin(invocation: Invocation | undefined, digest: Digest): boolean | undefined {
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
  }

  function refusal(bytes: number): Failure {
    refused += 1
    const count = invocations.all.length
    const who = count === 1 ? 'a build that is running' : `${count} builds that are running`
    return new Failure(
      'exhausted',
      `there is no room for ${bytes} bytes: ${sizeText(tally.bytes)} of the cache are kept for ${who}`,
      {
        next: [
          'See which with `native status`. What a build holds is free again once it has been silent for a while.',
          'Give the cache more room (--cache-size, or store.size in its configuration).',
        ],
      },
    )
  }

  function holderFor(id: string, client: string): Holder {
    // Looked up each time: between two uses, which an upload may keep far apart, it may end and its bit go to another.
    const current = () => invocations.seen(id, client)
    return {
      keep(digests) {
        const invocation = current()
        const absent: Digest[] = []
        for (const digest of digests) {
          const held = pin(invocation, digest)
          if (held === undefined) absent.push(digest)
          else if (!held) unheld += 1
        }
        return absent
      },
      fits(digests) {
        let bytes = tally.bytes
        for (const digest of digests) bytes += cost(digest)
        return bytes <= bytesMax
      },
      assertRoom(digest) {
        const invocation = current()
        if (!invocation || digest.size === 0 || tally.bytes + cost(digest) <= bytesMax) return
        // It may be kept already, for this one or another.
        if (pin(invocation, digest)) return
        return awaitRoom(invocation, cost(digest)).then((hasOne) => {
          if (!hasOne) throw refusal(digest.size)
        })
      },
      take(digest) {
        const invocation = current()
        if (!invocation || digest.size === 0) return true
        const held = pin(invocation, digest)
        if (held === false) throw refusal(digest.size)
        return held === true
      },
    }
  }

  return {
    holder(id, client) {
      const known = holders.get(id)
      if (known) return known
      const fresh = holderFor(id, client)
      if (invocations.seen(id, client)) holders.set(id, fresh)
      return fresh
    },
    pass(held, chunks) {
      const shared = held.reduce((bits, digest) => bits & (placeOf(digest).pin(digest, 0) ?? 0), -1)
      // Not for those that have ended, whose marks are being taken off.
      const all = invocations.all.filter(({ bit }) => (shared & (1 << bit)) !== 0)
      const marks = all.reduce((bits, { bit }) => bits | (1 << bit), 0)
      if (marks === 0) return
      for (const chunk of chunks) placeOf(chunk).pin(chunk, marks)
      for (const each of all) each.few = undefined
    },
    live() {
      invocations.expire()
      return invocations.all.map(({ id, client, bit, lastAt }) => ({
        invocation: id,
        client,
        bytes: tally.bytesOf(bit),
        values: tally.valuesOf(bit),
        silentMs: clock.now() - lastAt,
      }))
    },
    get bytes() {
      return tally.bytes
    },
    bytesMax,
    get unheld() {
      return unheld
    },
    get refused() {
      return refused
    },
    async expire() {
      invocations.expire()
      await invocations.released()
    },
    refusal,
  }
}
