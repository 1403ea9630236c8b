import type { Digest } from '../../core/digest.ts'
import type { Failure } from '../../core/failure.ts'
import type { Holder } from '../pins.ts'
import type { Invocation } from './invocations.ts'
import type { PinTally } from './pin-tally.ts'
import type { Pinning } from './pinning.ts'

/** What all holders of a store use. */
export interface HolderOptions extends Pick<Pinning, 'pin' | 'awaitRoom'> {
  readonly tally: PinTally
  /** The most that is kept, in bytes on disk. */
  readonly bytesMax: number
  /** What a blob takes on disk. */
  cost(digest: Digest): number
  /** A blob is there and cannot be kept. */
  unheld(): void
  /** Why an upload of so many bytes finds no room. */
  refusal(bytes: number): Failure
}

/**
 * @param current the invocation, looked up for each use: between two, which an upload may keep far apart, it may end and
 *   its bit go to another; undefined when there is no place for it
 */
export function createHolder(current: () => Invocation | undefined, options: HolderOptions): Holder {
  const { tally, bytesMax, pin, awaitRoom, cost, unheld, refusal } = options
  return {
    keep(digests) {
      const invocation = current()
      const absent: Digest[] = []
      for (const digest of digests) {
        const held = pin(invocation, digest)
        if (held === undefined) absent.push(digest)
        else if (!held) unheld()
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
