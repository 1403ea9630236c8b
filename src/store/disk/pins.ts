import type { Digest } from '../../core/digest.ts'
import { Failure } from '../../core/failure.ts'
import { sizeText } from '../../core/units.ts'
import type { Holder, Pins } from '../pins.ts'
import { createHolder, type HolderOptions } from './holder.ts'
import { createPinning, type PinningOptions } from './pinning.ts'

export interface DiskPinsOptions extends PinningOptions {
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

export function createPins(options: DiskPinsOptions): DiskPins {
  const { clock, tally, bytesMax, placeOf } = options
  /** Of those that are live. */
  const holders = new Map<string, Holder>()
  const pinning = createPinning(options, (id) => holders.delete(id))
  const { invocations } = pinning
  let unheld = 0
  let refused = 0
  const holderOptions: HolderOptions = {
    ...options,
    ...pinning,
    refusal,
    unheld() {
      unheld += 1
    },
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

  return {
    holder(id, client) {
      const known = holders.get(id)
      if (known) return known
      const current = () => invocations.seen(id, client)
      const fresh = createHolder(current, holderOptions)
      if (current()) holders.set(id, fresh)
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
