import type { Digest } from '../../core/digest.ts'
import { type Reuse, unknownReuse } from './reuse.ts'

/** What is still known of a value that was evicted. */
export interface Ghost {
  /** How long ago it was used last, in steps of age. */
  readonly idleSteps: number
  readonly reuse: Reuse
}

/** Remembers evicted values, by a fingerprint, in a fixed room. */
export interface Ghosts {
  /** A value is evicted that was used last at that age. */
  add(digest: Digest, used: number, reuse: Reuse): void
  /** Tells what it knows of a value. @param now age */
  find(digest: Digest, now: number): Ghost | undefined
  /** The same, and forgets it. */
  take(digest: Digest, now: number): Ghost | undefined
}

/** Bytes of capacity for each ghost. */
const bytesPerGhost = 1024
const ghostsMin = 1024
/** 8 MiB. */
const ghostsMax = 2 ** 20
const waysPerSet = 4
/** A fingerprint; age and reuse distance. */
const wordsPerGhost = 2
/** Ages are told apart by so many steps, so that 24 bits hold those of 130,000 times the capacity. */
const ageUnit = 32
const ageBits = 24
const ageMask = 2 ** ageBits - 1
const reuseMask = 0xff

/**
 * No ghosts yet; their memory, 8 bytes each, is taken with the first.
 *
 * Where a set is full, one of whose reuse nothing is known makes room before others do, so that a
 * scan does not push out what was in use. Among equals the digest decides, not age: of a circle of
 * values that is larger than all ghosts, some are remembered for the whole way round then, and
 * none would be if the oldest went.
 * @param bytesMax the capacity of the store
 */
export function createGhosts(bytesMax: number): Ghosts {
  const count = Math.min(ghostsMax, Math.max(ghostsMin, bytesMax / bytesPerGhost))
  const sets = 2 ** Math.floor(Math.log2(count / waysPerSet))
  let memory: Uint32Array | undefined

  /** Where the fingerprint is, or -1. A digest's hash has 40 digits or more; a ghost's print is never 0. */
  function wayOf(words: Uint32Array, set: number, print: number): number {
    for (let at = set; at < set + waysPerSet * wordsPerGhost; at += wordsPerGhost) if (words[at] === print) return at
    return -1
  }

  /** @param start of its ways, the first to be looked at */
  function victim(words: Uint32Array, set: number, start: number): number {
    const wayAt = (way: number) => set + ((start + way) % waysPerSet) * wordsPerGhost
    for (let way = 0; way < waysPerSet; way += 1)
      if (((words[wayAt(way) + 1] ?? 0) & reuseMask) === unknownReuse) return wayAt(way)
    return wayAt(0)
  }

  const setOf = ({ hash }: Digest) => (Number.parseInt(hash.slice(8, 16), 16) & (sets - 1)) * waysPerSet * wordsPerGhost
  const printOf = ({ hash }: Digest) => Number.parseInt(hash.slice(0, 8), 16) || 1

  function look(digest: Digest, now: number, forget: boolean): Ghost | undefined {
    const at = memory ? wayOf(memory, setOf(digest), printOf(digest)) : -1
    if (!memory || at < 0) return undefined
    const word = memory[at + 1] ?? 0
    if (forget) memory[at] = 0
    return { idleSteps: ((Math.floor(now / ageUnit) - (word >>> 8)) & ageMask) * ageUnit, reuse: word & reuseMask }
  }

  return {
    add(digest, used, reuse) {
      memory ??= new Uint32Array(sets * waysPerSet * wordsPerGhost)
      const set = setOf(digest)
      const print = printOf(digest)
      const known = wayOf(memory, set, print)
      const free = known < 0 ? wayOf(memory, set, 0) : known
      const at = free < 0 ? victim(memory, set, print >>> 8) : free
      memory[at] = print
      memory[at + 1] = ((Math.floor(used / ageUnit) & ageMask) << 8) | reuse
    },
    find: (digest, now) => look(digest, now, false),
    take: (digest, now) => look(digest, now, true),
  }
}
